"""What a Rust agent depends on → Cargo.toml, Cargo.lock and the tools that compile, as cargo resolves them.

A Cargo.lock beside Cargo.toml is a lock already, and taken as it is. Without one cargo makes it. Without Cargo.toml that is
written too, from ``spec.dependencies``: ``serde@1``, or a line of ``[dependencies]`` where features are wanted
(``tokio = { version = "1.40", features = ["full"] }``).
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from aac_plugins.runtimes.compiled import SOURCES, Problems, asked_version
from aac_plugins.runtimes.rust_build import Rust, in_stage, linker_version
from aac_plugins.runtimes.rust_refusals import refused
from aac_tasks.contracts.canonical import JsonObject, table
from aac_tasks.contracts.engines import ToolchainImage
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import DependencyRequest, LockedDependencies
from aac_tasks.contracts.recipe import Run, Write
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

MANIFEST, LOCK = "Cargo.toml", "Cargo.lock"
FILES = (MANIFEST, LOCK, "rust-toolchain.toml", "rust-toolchain")
MAINS = ("src/main.rs", "main.rs")

_CRATE = re.compile(r"([A-Za-z0-9_-]+)(?:@([\w.+^~=<>*, -]+))?")
_LOCAL = ("path", "workspace")


def manifest(name: str, dependencies: tuple[str, ...], main: str) -> tuple[str, Problems]:
    """A Cargo.toml of these dependencies for the program ``main``, and which of them are none."""
    lines, problems = [], []
    for i, text in enumerate(dependencies):
        line = _line(text.strip())
        if line:
            lines.append(line)
        else:
            expected = 'expected CRATE@VERSION, as in serde@1, or a line of [dependencies], as in tokio = { version = "1.40" }'
            problems.append((f"spec.dependencies[{i}]", f"{text!r} is no crate; {expected}"))
    package = f'[package]\nname = "{name}"\nversion = "0.0.0"\nedition = "2021"\n'
    program = f'\n[[bin]]\nname = "{name}"\npath = "{main}"\n'
    return "\n".join((f"{package}{program}", "[dependencies]", *lines, "")), tuple(problems)


def is_incremental(text: str) -> bool:
    """Whether ``[profile.release] incremental = true`` (https://doc.rust-lang.org/cargo/reference/profiles.html#incremental)."""
    return table(table(parsed(text).get("profile")).get("release")).get("incremental") is True


def _line(text: str) -> str:
    """A line of ``[dependencies]``; empty when it is none."""
    named = _CRATE.fullmatch(text)
    if named:
        return f"{named[1]} = {json.dumps(named[2] or '*')}"
    line = parsed(text) if "\n" not in text else {}
    values = list(line.values())
    if len(values) != 1 or not _CRATE.fullmatch(next(iter(line))):
        return ""
    local = isinstance(values[0], Mapping) and any(key in values[0] for key in _LOCAL)
    return text if isinstance(values[0], str | Mapping) and not local else ""


def parsed(text: str) -> JsonObject:
    """TOML as a table, empty when it can't be read: cargo says what is wrong with it better than we could."""
    if sys.version_info >= (3, 11):  # lazy: start-up
        import tomllib
    else:
        import tomli as tomllib
    try:
        return cast("JsonObject", tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return {}


def program_in(text: str) -> str:
    """The program of a package that is meant when none is named."""
    document = parsed(text)
    about, programs = table(document.get("package")), document.get("bin")
    named = [p.get("name") for p in programs if isinstance(p, Mapping)] if isinstance(programs, list) else []
    return str(about.get("default-run") or (named[0] if len(named) == 1 else "") or about.get("name") or "")


def resolve(request: DependencyRequest, platform: Platform, tools: Tools) -> LockedDependencies:
    """Pinned texts, and the versions of rustc and of the C compiler that links.

    Raises:
        StepError: Rust or its linker is not installed, or a crate can't be had.
    """
    asked, _ = asked_version(request.requirements, "rustc")
    pinned = _pinned(request)
    if tools.which("cargo") is None:
        if LOCK in pinned:  # all that an engine needs, which brings its own Rust
            return LockedDependencies(texts=pinned)
        raise StepError(
            "cargo is not installed, and without it Cargo.lock can't be made",
            hint="install Rust (https://rustup.rs), use --builder docker, or commit a Cargo.lock of `cargo generate-lockfile`",
        )
    with tools.scratch() as folder:
        for name, text in _package(request).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        rust = Rust.found(tools, folder, asked)
        if LOCK not in pinned:
            tools.progress("resolving crates")
            done = rust.cargo(("generate-lockfile",), folder, tools)
            if done.exit_code != 0:
                raise refused(done.tail, "the crates can't be resolved", offline=tools.offline)
            pinned[LOCK] = (folder / LOCK).read_text("utf-8")
    return LockedDependencies(texts=pinned, tools={"rustc": rust.version, "cc": linker_version(rust, platform, tools)})


def resolve_in(request: DependencyRequest, image: ToolchainImage, tools: Tools) -> LockedDependencies:
    """As `resolve`, by the cargo of a toolchain image, which is of the version that was asked for.

    Raises:
        StepError: a crate can't be had.
    """
    pinned = _pinned(request)
    if LOCK in pinned:
        return LockedDependencies(texts=pinned)
    with tools.scratch() as folder:
        said = image.run(
            (
                *(Write(f"{SOURCES}/{name}", text) for name, text in _package(request).items()),
                Run(("rustc", "-vV")),
                Run(("cc", "--version")),
                in_stage("generate-lockfile", "--manifest-path", f"{SOURCES}/{MANIFEST}"),
            ),
            (f"{SOURCES}/{LOCK}",),
            folder,
            lambda tail: refused(tail, "the crates can't be resolved", offline=tools.offline),
        )
        pinned[LOCK] = (folder / SOURCES.strip("/") / LOCK).read_text("utf-8")
    found = {"rustc": re.search(r"^release: (\S+)$", said, re.MULTILINE), "cc": re.search(r"^cc (\(.+)$", said, re.MULTILINE)}
    return LockedDependencies(texts=pinned, tools={name: line[1].strip() for name, line in found.items() if line})


def _pinned(request: DependencyRequest) -> dict[str, str]:
    return {name: request.files[name] for name in (MANIFEST, LOCK) if name in request.files}


def _package(request: DependencyRequest) -> dict[str, str]:
    """What cargo is shown: the author's files, and empty ones for sources."""
    return {**request.files, **dict.fromkeys(targets(parsed(request.files[MANIFEST])), "")}


def targets(text: JsonObject, folder: str = "") -> Iterator[str]:
    """Files that cargo wants to see before it resolves anything. Sources are not at hand here, so they are left empty."""
    about, library = table(text.get("package")), text.get("lib")
    yield posixpath.join(folder, MAINS[0])
    yield from paths([library] if isinstance(library, Mapping) else [], "src/lib.rs", folder)
    for kind, place in (("bin", "src/bin"), ("example", "examples"), ("test", "tests"), ("bench", "benches")):
        for target in tables(text.get(kind)):
            main = kind == "bin" and target.get("name") == about.get("name")  # cargo finds it there, and must not find two
            yield from paths([target], MAINS[0] if main else f"{place}/{target.get('name')}.rs", folder)


def tables(value: object) -> list[JsonObject]:
    """The tables of an array of tables (``[[bin]]``), which may be missing."""
    return [table(one) for one in value] if isinstance(value, list) else []


def paths(targets: Sequence[JsonObject], default: str, folder: str = "") -> Iterator[str]:
    """Files of targets of the package in ``folder``, those in the build context."""
    for target in targets:
        path = posixpath.normpath(posixpath.join(folder, str(target.get("path") or default)))
        if not path.startswith(("/", "../")):
            yield path
