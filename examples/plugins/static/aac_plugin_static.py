"""``runtime: static``: an image that serves ``spec.config.static.folder`` with the Debian base's Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.lock import BaseRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.lock import DependencyRequest as Asked
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import APP_DIR, ApplicationLayer, Recipe
from aac_tasks.contracts.roles import Runtime, RuntimePlan
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.hookspecs import hookimpl

FOLDER: JsonObject = {"type": "string", "description": "The folder to serve", "default": "."}
SETTINGS: JsonObject = {"type": "object", "properties": {"folder": FOLDER}, "additionalProperties": False}


class Static:
    name = "static"
    settings_schema: JsonObject | None = SETTINGS

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        return (f"{_folder(spec)}/index.html".removeprefix("./"),)

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        (index,) = self.wants(spec)
        missing = ("spec.config.static.folder", f"{index} not found in {facts.folder}; write it")
        base = BaseRequest("debian", "debian:trixie", runtime="python")
        return RuntimePlan(base, problems=() if index in facts.exists else (missing,))

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        port = spec.ports[0].container if spec.ports else 8080
        folder = f"{APP_DIR}/{_folder(spec)}".removesuffix("/.")
        serve = ("/usr/bin/python3", "-m", "http.server", "--directory", folder, str(port))
        probe = HealthProbe("http", port=port, interval=5.0)
        layers = (ApplicationLayer(),)
        return Recipe(spec.name, locked.platform, locked.base, layers, entrypoint=serve, probe=probe)

    def resolve(self, request: Asked, base: LockedBase, tools: Tools) -> LockedDependencies:
        return LockedDependencies()

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None: ...


def _folder(spec: AgentSpec) -> str:
    settings = spec.config.get("static")
    return str(settings.get("folder", ".")) if isinstance(settings, Mapping) else "."


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    return [Static()]
