"""Entry points → catalog. With ``hookspecs`` the only place that imports pluggy.

Built-ins are named as strings and loaded exactly as a stranger's. A plugin that can't be imported is kept aside,
named by `agent doctor`, and never breaks a command that does not need it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import pluggy

from aac_tasks import hookspecs
from aac_tasks.catalog import HOOKS, Catalog, Table
from aac_tasks.contracts.canonical import Json, fingerprint
from aac_tasks.contracts.plan import AgentPlan, Step
from aac_tasks.contracts.result import Event, Result
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import PluginError, Problem

ENTRY_POINT_GROUP = "aac_tasks"

BUILT_INS = (
    "aac_plugins.runtimes.python",
    "aac_plugins.runtimes.nodejs",
    "aac_plugins.runtimes.go",
    "aac_plugins.runtimes.rust",
    "aac_plugins.runtimes.java",
    "aac_plugins.runtimes.custom",
    "aac_plugins.bases.debian",
    "aac_plugins.bases.layout",
    "aac_plugins.bases.scratch",
    "aac_plugins.bases.registry",
    "aac_plugins.builders.embedded",
    "aac_plugins.builders.docker",
    "aac_plugins.builders.podman",
    "aac_plugins.runners.docker",
    "aac_plugins.runners.podman",
    "aac_plugins.runners.runc",
    "aac_plugins.runners.userns",
    "aac_plugins.runners.host",
    "aac_plugins.registries.layout",
    "aac_plugins.registries.archive",
    "aac_plugins.registries.distribution",
    "aac_plugins.deployers.process",
    "aac_plugins.executors.dask",
    "aac_plugins.templates.python",
    "aac_plugins.templates.nodejs",
    "aac_plugins.templates.compiled",
    "aac_plugins.templates.java",
    "aac_plugins.secrets",
)


class Named(Protocol):
    """What every registered thing has."""

    @property
    def name(self) -> str:
        """Its name in agent.yaml and in tables."""
        ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Plugins:
    """The loaded plugins: the catalog, and the hooks that are called later."""

    catalog: Catalog
    manager: pluggy.PluginManager

    def check_spec(self, spec: AgentSpec) -> tuple[Problem, ...]:
        """Problems that plugins find in a valid spec."""
        answers = _call(self.manager, "aac_check_spec", spec=spec)
        return tuple(p for _, problems in answers for p in cast("Sequence[Problem]", problems))

    def add_steps(self, spec: AgentSpec, plan: AgentPlan) -> tuple[Step, ...]:
        """Steps that plugins add to one agent."""
        answers = _call(self.manager, "aac_add_steps", spec=spec, plan=plan)
        return tuple(s for _, steps in answers for s in cast("Sequence[Step]", steps))

    def resolve_secret(self, ref: str) -> str | None:
        """The first answer to a secret reference."""
        return cast("str | None", self.manager.hook.aac_resolve_secret(ref=ref))

    def run_step(self, step: Step, upstream: Mapping[str, Mapping[str, Json]], tools: Tools) -> Result:
        """Do a step of a plugin's own kind.

        Raises:
            PluginError: no plugin does steps of that kind.
        """
        result = cast("Result | None", self.manager.hook.aac_run_step(step=step, upstream=upstream, tools=tools))
        if result is None:
            raise PluginError(f"no plugin does steps of kind {step.kind!r}; the one that adds {step.id} lacks aac_run_step")
        return result

    @property
    def listens(self) -> bool:
        """Whether a plugin wants to be told of steps that ended."""
        return bool(self.manager.hook.aac_step_finished.get_hookimpls())

    def step_finished(self, event: Event) -> None:
        """Tell every plugin that a step ended."""
        _call(self.manager, "aac_step_finished", event=event)


def load(built_ins: Sequence[str] = BUILT_INS) -> Plugins:
    """Import built-ins and every installed plugin, and ask them what they bring.

    Raises:
        PluginError: a hook is unknown or raises, or two plugins register one name.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    broken: dict[str, str] = {}
    versions: dict[str, str] = {}
    for module in built_ins:
        _register(manager, module, lambda module=module: importlib.import_module(module), broken)  # type: ignore[misc]
    for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda p: p.name):
        dist = point.dist.name if point.dist else "?"
        versions[f"{dist}:{point.name}"] = point.dist.version if point.dist else "?"
        _register(manager, f"{point.name} (from {dist})", point.load, broken)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(
            f"plugin {_plugin_name(manager, error)}: {error}; compare it with aac_tasks/hookspecs.py"
        ) from error
    return Plugins(_catalog(manager, versions, broken), manager)


def _register(manager: pluggy.PluginManager, name: str, load_it: Callable[[], object], broken: dict[str, str]) -> None:
    try:
        manager.register(load_it(), name=name)
    except Exception as error:  # a stranger's module may raise anything at import
        broken[name] = f"{type(error).__name__}: {error}"


def _plugin_name(manager: pluggy.PluginManager, error: pluggy.PluginValidationError) -> str:
    return manager.get_name(error.plugin) or repr(error.plugin)


def _call(manager: pluggy.PluginManager, hook: str, **arguments: object) -> list[tuple[str, object]]:
    """Each plugin's answer with the plugin's name, in registration order."""
    answers = []
    for impl in getattr(manager.hook, hook).get_hookimpls():
        try:
            answers.append((impl.plugin_name, impl.function(*(arguments[a] for a in impl.argnames))))
        except Exception as error:
            raise PluginError(f"plugin {impl.plugin_name}: {hook} raised {type(error).__name__}: {error}") from error
    return answers


def _catalog(manager: pluggy.PluginManager, versions: Mapping[str, str], broken: Mapping[str, str]) -> Catalog:
    return Catalog(
        runtimes=_table(manager, "runtime"),
        bases=_table(manager, "base"),
        builders=_table(manager, "builder"),
        runners=_table(manager, "runner"),
        registries=_table(manager, "registry"),
        deployers=_table(manager, "deployer"),
        templates=_table(manager, "template"),
        executors=_table(manager, "executor"),
        fingerprint=fingerprint(dict(versions)),
        broken=dict(broken),
    )


def _table(manager: pluggy.PluginManager, role: str) -> Table[N]:
    entries: dict[str, N] = {}
    origin: dict[str, str] = {}
    for plugin, answer in _call(manager, HOOKS[role]):
        for entry in cast("Sequence[N]", answer):
            if entry.name in entries:
                raise PluginError(
                    f"{role} {entry.name!r} is registered twice: by {origin[entry.name]} and by {plugin}; uninstall one"
                )
            entries[entry.name] = entry
            origin[entry.name] = plugin
    return Table(role, entries, origin)
