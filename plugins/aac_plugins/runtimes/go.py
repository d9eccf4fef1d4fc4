"""The runtime ``go``: an agent is one static program, which needs nothing of an image but certificates and time zones.

``runtime: go`` compiles with the host's Go, ``runtime: go:1.24`` with that version, which the go command fetches itself.
What it depends on is in go.mod and go.sum, or in ``spec.dependencies``. See docs/adr/0012.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from aac_plugins.runtimes import go_build, go_modules
from aac_plugins.runtimes.compiled import (
    PROBE,
    SOURCES,
    Problems,
    Toolchain,
    base_of,
    files_of,
    program_of,
    recipe_of,
    schema_of,
    setting,
    start_of,
)
from aac_plugins.runtimes.compiled_probe import GO
from aac_plugins.runtimes.origin import DEBIAN, number
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.engines import ToolchainImage
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import CompiledLayer, Context, Instruction, Recipe, Run, Stage, Write
from aac_tasks.contracts.roles import Compilation, Runtime, RuntimePlan
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.hookspecs import hookimpl

TOOLCHAIN = Toolchain("go", "golang")
MINIMAL = BaseRequest("debian", DEBIAN, runtime="static")
MODULE = re.compile(r"[\w-]+(?:\.[\w-]+)+(?:/[\w.~+-]+)*(?:@[\w.+-]+)?")
"""A module path, whose first part is a host, and a version query (https://go.dev/ref/mod#version-queries)."""


class GoRuntime:
    """See the module."""

    name = "go"
    lends: tuple[str, ...] = ("go",)
    settings_schema: JsonObject | None = schema_of(
        "Go",
        package={
            "type": "string",
            "pattern": r"^\.(/[A-Za-z0-9._-]+)*$",
            "description": "The main package, relative to go.mod; default: the folder with main.go, else ./cmd/NAME.",
        },
    )

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        """The module's files, and where its main package is."""
        return (*go_modules.FILES, "main.go", _command(spec))

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        """A base without a language under a static program, the modules, and Go itself."""
        base, problems = base_of(spec, MINIMAL)
        toolchain, more = TOOLCHAIN.asked(spec)
        _, unknown = files_of(spec, self.name)
        dependencies, wrong = _dependencies(spec, facts.texts)
        return RuntimePlan(
            base, dependencies, start_of(spec), (*problems, *more, *unknown, *wrong), needs=("tool:go",), toolchain=toolchain
        )

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        """The agent's layer is the only one that an edit makes anew."""
        package, program = _package(spec, facts), program_of(spec)
        written = {n: t for n, t in locked.dependencies.texts.items() if facts.texts.get(n) != t}
        version, tools = locked.dependencies.tools.get("go", ""), LockedDependencies(tools=locked.dependencies.tools)
        agent = CompiledLayer(
            self.name, version, locked.dependencies, (program,),
            _stage("build", locked, _prepared(locked.dependencies.texts, written, locked), package, program),
            {"package": package},
        )  # fmt: skip
        texts = tuple(Write(f"{SOURCES}/{path}", text) for path, text in GO.items())
        probe = CompiledLayer(self.name, version, tools, (PROBE,), _stage("probe", locked, texts, ".", PROBE), texts=GO)
        return recipe_of(spec, self.name, locked, agent, probe)

    def resolve(self, request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
        """go.mod and go.sum, and the version of Go that compiles; see ``go_modules``."""
        return go_modules.resolve(request, tools)

    def resolve_in(self, request: DependencyRequest, image: ToolchainImage, tools: Tools) -> LockedDependencies:
        """The same by the go of a toolchain image."""
        return go_modules.resolve_in(request, image, tools)

    def settings(self, tools: Tools) -> Mapping[str, str]:
        """Where modules come from: GOPROXY and the like."""
        origins = go_build.own_origins(tools)
        return {go_build.ENV_FILE: origins} if origins else {}

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None:
        """Nothing: what an agent depends on is in its program."""

    def compile(self, compilation: Compilation, into: Path, tools: Tools) -> None:
        """See ``go_build``."""
        go_build.compile_program(compilation, into, tools)


def _command(spec: AgentSpec) -> str:
    return f"cmd/{spec.name}/main.go"


def _package(spec: AgentSpec, facts: Facts) -> str:
    default = f"./cmd/{spec.name}" if "main.go" not in facts.exists and _command(spec) in facts.exists else "."
    return setting(spec, "go", "package") or default


def _dependencies(spec: AgentSpec, texts: Mapping[str, str | None]) -> tuple[DependencyRequest, Problems]:
    version = (f"go@{number(spec.version)}",) if number(spec.version) else ()
    files = {name: text for name in go_modules.FILES if (text := texts.get(name)) is not None}
    if go_modules.MOD not in files:
        expected = "expected MODULE@VERSION, as in github.com/gin-gonic/gin@v1.9.1"
        wrong = tuple(
            (f"spec.dependencies[{i}]", f"{text!r} is no Go module; {expected}")
            for i, text in enumerate(spec.dependencies)
            if not MODULE.fullmatch(text)
        )
        return DependencyRequest((*version, *spec.dependencies), {go_modules.MOD: f"module {spec.name}\n"}), wrong
    message = "go.mod says what this agent depends on; add it there (`go get MODULE@VERSION`) and take it out here"
    return DependencyRequest(version, files), (("spec.dependencies", message),) if spec.dependencies else ()


def _prepared(texts: Mapping[str, str], written: Mapping[str, str], locked: LockedPlatform) -> tuple[Instruction, ...]:
    """Modules first: their layer lasts until go.mod or go.sum change. ``written`` are those that the context has not."""

    def put(files: Mapping[str, str]) -> tuple[Write, ...]:
        return tuple(Write(f"{SOURCES}/{name}", text) for name, text in files.items())

    download = Run(_go(locked, "mod", "download"))
    return (*put(texts), download, Context(SOURCES), *put(written))


def _go(locked: LockedPlatform, *words: str) -> tuple[str, ...]:
    version = locked.dependencies.tools.get("go", "")
    return go_build.in_stage(locked.platform, f"go{version}" if version else "auto", *words)


def _stage(
    name: str, locked: LockedPlatform, first: tuple[Instruction, ...], package: str, program: str
) -> Stage:
    build = Run(_go(locked, *go_build.command(program, package)), cache=("/go/cache",))
    image = TOOLCHAIN.official(locked.dependencies.tools.get("go", ""))
    return Stage(name, (*first, build), image, locked.toolchain)


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    """Agents in one static program."""
    return (GoRuntime(),)
