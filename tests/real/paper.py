"""A stranger's plugin for tests that are about keys: images without a base, and a runner that starts nothing.

`runtime: paper` puts the agent's files into an otherwise empty image; the runner `paper` answers every probe with yes, so
that only structure checks, which are read from the image, can fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import ApplicationLayer, Recipe
from aac_tasks.contracts.roles import Instance, Probe, Runner, RunRequest, Runtime, RuntimePlan, Status
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.hookspecs import hookimpl


class PaperRuntime:
    name = "paper"
    settings_schema: JsonObject | None = None

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        return ()

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        return RuntimePlan(BaseRequest("scratch", "scratch"))

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        probe = HealthProbe("command", command=("/app/run", "--well"))
        return Recipe(spec.name, locked.platform, locked.base, (ApplicationLayer(),), entrypoint=("/app/run",), probe=probe)

    def resolve(self, request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
        return LockedDependencies()

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None: ...


class PaperRunner:
    name = "paper"

    def probe(self, tools: Tools) -> Probe:
        return Probe(True, "container", "1")

    def start(self, request: RunRequest, tools: Tools) -> Instance:
        return Instance(self.name, request.instance.name, request.image.manifest.digest)

    def status(self, instance: Instance, tools: Tools) -> Status:
        return Status("running")

    def execute(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, timeout: float = 30.0) -> tuple[int, str]:
        return 0, ""

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None: ...

    def signal(self, instance: Instance, number: int, tools: Tools) -> None: ...


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    return [PaperRuntime()]


@hookimpl
def aac_register_runners() -> Sequence[Runner]:
    return [PaperRunner()]
