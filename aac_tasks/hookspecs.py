"""Every hook, typed. Read this first to write a plugin; then look at a built-in of the same role.

A plugin is a module (or object) with functions of these names, marked ``@hookimpl`` and announced by an entry
point of the group ``aac_tasks``. Hooks return values; nothing is registered by side effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:  # every plugin imports this module, and few of them all these nouns
    from aac_tasks.contracts.canonical import Json
    from aac_tasks.contracts.orders import Executor
    from aac_tasks.contracts.plan import AgentPlan, Step
    from aac_tasks.contracts.result import Event, Result
    from aac_tasks.contracts.roles import Base, Builder, Deployer, Registry, Runner, Runtime
    from aac_tasks.contracts.spec import AgentSpec
    from aac_tasks.contracts.template import Template
    from aac_tasks.contracts.tools import Tools
    from aac_tasks.errors import Problem

PROJECT = "aac"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def aac_register_runtimes() -> Sequence[Runtime]:
    """Languages. Called when the catalog is made."""
    return ()


@hookspec
def aac_register_bases() -> Sequence[Base]:
    """Places that first layers come from. Called when the catalog is made."""
    return ()


@hookspec
def aac_register_builders() -> Sequence[Builder]:
    """Ways to turn a recipe into an image. Called when the catalog is made."""
    return ()


@hookspec
def aac_register_runners() -> Sequence[Runner]:
    """Ways to start an image, best first. Called when the catalog is made."""
    return ()


@hookspec
def aac_register_registries() -> Sequence[Registry]:
    """Places that images go to. Called when the catalog is made."""
    return ()


@hookspec
def aac_register_deployers() -> Sequence[Deployer]:
    """Targets that agents run on. Called when the catalog is made."""
    return ()


@hookspec
def aac_register_templates() -> Sequence[Template]:
    """Projects that ``agent init`` can start from. Called when the catalog is made."""
    return ()


@hookspec
def aac_register_executors() -> Sequence[Executor]:
    """Clusters that do steps. Called when the catalog is made."""
    return ()


@hookspec
def aac_check_spec(spec: AgentSpec) -> Sequence[Problem]:
    """More rules for an agent.yaml that is valid so far. Called once per agent that is compiled."""
    return ()


@hookspec
def aac_add_steps(spec: AgentSpec, plan: AgentPlan) -> Sequence[Step]:
    """More steps for one agent's plan. Called at the end of its compilation."""
    return ()


@hookspec(firstresult=True)
def aac_run_step(step: Step, upstream: Mapping[str, Mapping[str, Json]], tools: Tools) -> Result | None:
    """Do a step of a kind that ``aac_add_steps`` brought, or None for "not mine". ``upstream`` holds outputs by step kind."""
    return None


@hookspec(firstresult=True)
def aac_resolve_secret(ref: str) -> str | None:
    """The value of a secret reference (``env:NAME``, ``file:PATH`` …), or None for "not mine". Called when an instance starts."""
    return None


@hookspec
def aac_step_finished(event: Event) -> None:
    """A step was done, answered by the action cache, or failed. Called after its stamp was written (or not)."""
