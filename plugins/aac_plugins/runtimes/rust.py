"""The runtime ``rust``: an agent is one program on a minimal base with a C library.

``runtime: rust`` compiles with the host's Rust, ``runtime: rust:1.85`` with that version, of which rustup may hold several.
What it depends on is in Cargo.toml and Cargo.lock, or in ``spec.dependencies``. See docs/adr/0012.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from aac_plugins.runtimes import rust_build, rust_crates, rust_packages
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
from aac_plugins.runtimes.compiled_probe import RUST
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

TOOLCHAIN = Toolchain("rust", "rust")
MINIMAL = BaseRequest("debian", DEBIAN, packages=("libgcc-s1",))
"""What a Rust program is linked with: the C library, and gcc's for unwinding."""

MADE = "/made"
"""Where cargo installs in a build stage; it wants a folder ``bin`` there."""

CRATES = "/crates"
"""Where a build stage has the package without its sources."""


class RustRuntime:
    """See the module."""

    name = "rust"
    lends: tuple[str, ...] = ("cargo", "cc")
    settings_schema: JsonObject | None = schema_of(
        "Rust",
        bin={
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]+$",
            "description": "Which program of the package; default: `default-run`, the one `[[bin]]`, or the package's name.",
        },
    )

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        """The package's files, which Rust it wants, and where its program is."""
        return (*rust_crates.FILES, *rust_crates.MAINS)

    def follows(self, spec: AgentSpec, facts: Facts) -> tuple[str, ...]:
        """Manifests of other packages of the author's: of a workspace, or named by ``path``."""
        return rust_packages.manifests_named(facts.texts)

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        """A base with a C library, the crates, and Rust itself."""
        base, problems = base_of(spec, MINIMAL)
        toolchain, more = TOOLCHAIN.asked(spec)
        _, unknown = files_of(spec, self.name)
        dependencies, wrong = _dependencies(spec, facts)
        problems = (*problems, *_musl(spec), *more, *unknown, *wrong)
        needs = ("tool:cargo", "tool:cc")
        return RuntimePlan(base, dependencies, start_of(spec), problems, needs=needs, toolchain=toolchain)

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        """The agent's layer is the only one that an edit makes anew."""
        texts, program = locked.dependencies.texts, program_of(spec)
        chosen = setting(spec, self.name, "bin") or rust_crates.program_in(texts.get(rust_crates.MANIFEST, ""))
        written = {n: t for n, t in texts.items() if facts.texts.get(n) != t}
        version, tools = locked.dependencies.tools.get("rustc", ""), LockedDependencies(tools=locked.dependencies.tools)
        known = {**facts.texts, **dict.fromkeys(rust_crates.FILES), **texts}
        incremental = rust_crates.is_incremental(texts.get(rust_crates.MANIFEST, ""))
        place = rust_packages.folder_of(rust_packages.packages_in(known), chosen)
        first = (*_crates(locked, known, chosen, place), Context(SOURCES), *_written(written))
        build = _install(locked, posixpath.join(SOURCES, place), chosen, MADE, incremental=incremental)
        agent = CompiledLayer(
            self.name, version, locked.dependencies, (program,),
            _stage("build", locked, (*first, build), chosen, program),
            {"bin": chosen, **({"incremental": "true"} if incremental else {})},
        )  # fmt: skip
        asks: tuple[Instruction, ...] = (*_written(RUST), _install(locked, SOURCES, "probe", MADE))
        probe = CompiledLayer(
            self.name, version, tools, (PROBE,), _stage("probe", locked, asks, "probe", PROBE), {"bin": "probe"}, RUST
        )
        return recipe_of(spec, self.name, locked, agent, probe)

    def resolve(self, request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
        """Cargo.toml and Cargo.lock, and what compiles; see ``rust_crates``."""
        return rust_crates.resolve(request, base.platform, tools)

    def resolve_in(self, request: DependencyRequest, image: ToolchainImage, tools: Tools) -> LockedDependencies:
        """The same by the cargo of a toolchain image."""
        return rust_crates.resolve_in(request, image, tools)

    def settings(self, tools: Tools) -> Mapping[str, str]:
        """Where crates come from: the user's ``config.toml``, where cargo finds it from any folder."""
        own = rust_build.settings_file(tools)
        return {rust_build.CONFIG: own.read_text("utf-8")} if own else {}

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None:
        """Nothing: what an agent depends on is in its program."""

    def compile(self, compilation: Compilation, into: Path, tools: Tools) -> None:
        """See ``rust_build``."""
        rust_build.compile_program(compilation, into, tools)


def _dependencies(spec: AgentSpec, facts: Facts) -> tuple[DependencyRequest, Problems]:
    version = (f"rustc@{number(spec.version)}",) if number(spec.version) else ()
    files = {name: text for name in rust_crates.FILES if (text := facts.texts.get(name)) is not None}
    if rust_crates.MANIFEST in files:
        message = "Cargo.toml says what this agent depends on; add it there (`cargo add CRATE@VERSION`) and take it out here"
        twice = (("spec.dependencies", message),) if spec.dependencies else ()
        return DependencyRequest(version, files), (*twice, *_unnamed(spec, files[rust_crates.MANIFEST]))
    source = next((path for path in rust_crates.MAINS if path in facts.exists), "")
    manifest, wrong = rust_crates.manifest(spec.name, spec.dependencies, source or rust_crates.MAINS[0])
    missing = (("spec.runtime", f"neither Cargo.toml nor {' nor '.join(rust_crates.MAINS)} found in {facts.folder}"),)
    files = {**files, rust_crates.MANIFEST: manifest}
    return DependencyRequest(version, files), (*wrong, *(() if source else missing))


def _unnamed(spec: AgentSpec, manifest: str) -> Problems:
    keys = rust_crates.parsed(manifest).keys()
    if "workspace" not in keys or "package" in keys or setting(spec, "rust", "bin"):
        return ()
    return (("spec.config.rust.bin", "Cargo.toml is a workspace and no package; name the program of a member"),)


def _musl(spec: AgentSpec) -> Problems:
    image = spec.build.base_image
    if image != "scratch" and "alpine" not in image:
        return ()
    message = f"{image} has no GNU C library, which a Rust program is linked with; leave baseImage out, or take one that has it"
    return (("spec.build.baseImage", message),)


def _written(texts: Mapping[str, str]) -> tuple[Write, ...]:
    return tuple(Write(f"{SOURCES}/{name}", text) for name, text in texts.items())


def _crates(locked: LockedPlatform, known: rust_packages.Texts, chosen: str, place: str) -> tuple[Instruction, ...]:
    """What the agent depends on is compiled in a layer of its own, which lasts until Cargo.toml or Cargo.lock change.

    Then the author's packages are taken out again: cargo compares dates of files, and would take an empty program for the agent,
    whose sources may be older. For the same reason no cache of compiled things is shared: it would hold other agents' programs.
    """
    files = rust_packages.without_sources(known, chosen)
    if not files:
        return ()
    written = tuple(Write(f"{CRATES}/{name}", text) for name, text in files.items())
    packages = (word for name in rust_packages.own_packages(known) for word in ("--package", name))
    clean = ("clean", "--release", "--locked", "--manifest-path", f"{CRATES}/{rust_crates.MANIFEST}", *packages)
    return (*written, _install(locked, posixpath.join(CRATES, place), chosen, CRATES), _cargo(locked, *clean))


def _install(locked: LockedPlatform, package: str, chosen: str, made: str, *, incremental: bool = False) -> Run:
    """Compiles, and puts the program into ``made``/bin."""
    words = ("install", "--path", package.rstrip("/"), "--locked", "--no-track", "--bin", chosen, "--root", made)
    return _cargo(locked, *words, incremental=incremental)


def _cargo(locked: LockedPlatform, *words: str, incremental: bool = False) -> Run:
    return rust_build.in_stage(*words, "--target", rust_build.triple_of(locked.platform), incremental=incremental)


def _stage(name: str, locked: LockedPlatform, instructions: tuple[Instruction, ...], chosen: str, program: str) -> Stage:
    image = TOOLCHAIN.official(locked.dependencies.tools.get("rustc", ""))
    return Stage(name, instructions, image, locked.toolchain, {program: f"{MADE}/bin/{chosen}"})


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    """Agents in one program, linked with a C library."""
    return (RustRuntime(),)
