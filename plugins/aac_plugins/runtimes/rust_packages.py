"""The packages of a Rust agent without their sources, as cargo-chef has them: what a build stage compiles before any source is
there. Its layer lasts until a Cargo.toml or Cargo.lock changes.

An agent may be several packages of its author's: members of a workspace, or others that it names by ``path``. Their manifests
are found from the agent's own, as cargo finds them. Source: https://doc.rust-lang.org/cargo/reference/workspaces.html.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aac_plugins.runtimes.rust_crates import LOCK, MANIFEST, parsed, paths, tables, targets
from aac_tasks.contracts.canonical import JsonObject, table

MAIN = "fn main() {}\n"
LIBRARY = "//! Empty.\n#![allow(unused_crate_dependencies)]\n"
"""What passes for code under ``[lints]`` that deny what is not documented and not used."""

Texts = Mapping[str, str | None]
"""Files of the build context by name, None where there is none."""


@dataclass(frozen=True)
class Package:
    """One Cargo.toml. ``folder`` is "" for the build context itself, whose manifest may be a workspace's alone."""

    folder: str
    text: str
    document: JsonObject

    @property
    def about(self) -> JsonObject:
        """``[package]``, empty for a workspace without one."""
        return table(self.document.get("package"))

    @property
    def programs(self) -> set[object]:
        """Those that it names; ``src/bin`` may hold more."""
        return {self.about.get("name"), *(one.get("name") for one in tables(self.document.get("bin")))}


def packages_in(texts: Texts) -> list[Package]:
    """The agent's own first, then those around it."""
    found = {posixpath.dirname(name): text for name, text in texts.items() if posixpath.basename(name) == MANIFEST and text}
    return [Package(folder, found[folder], parsed(found[folder])) for folder in sorted(found)]


def manifests_named(texts: Texts) -> tuple[str, ...]:
    """Where other packages of the author's are, by what these manifests say: members (with ``*``), dependencies by ``path``."""
    lock = texts.get(LOCK) or ""
    if lock.count("[[package]]") - lock.count("\nsource = ") < 2:  # reading a large one takes longer than all the rest
        return ()
    named = (
        posixpath.normpath(posixpath.join(package.folder, place, MANIFEST))
        for package in packages_in(texts)
        for place in _places(package.document)
    )
    return tuple(dict.fromkeys(name for name in named if not name.startswith(("/", "../"))))


def _places(document: JsonObject) -> Iterator[str]:
    """Members, and ``path`` in any other table than ``[lib]``: of dependencies, of targets, of the workspace, in patches."""
    members = table(document.get("workspace")).get("members")
    yield from (str(one) for one in members if one) if isinstance(members, list) else ()
    left = [value for name, value in document.items() if name != "lib"]
    while left:
        inner = table(left.pop())
        left += inner.values()
        if isinstance(path := inner.get("path"), str):
            yield path


def folder_of(packages: list[Package], program: str) -> str:
    """Where the program's package is: the context itself, or where that is a workspace and no package, one of the members."""
    if not packages or packages[0].folder or packages[0].about:
        return ""
    return next((one.folder for one in packages if program in one.programs or program == one.about.get("default-run")), "")


def without_sources(texts: Texts, program: str = "") -> dict[str, str]:
    """Files of packages that depend on the same crates and do nothing.

    Empty where there is nothing to gain, where one of the author's packages is not in the build context, or where a crate
    depends on one of them (``[patch]``), whose sources it would need.
    """
    locked, packages = _locked(texts.get(LOCK) or ""), packages_in(texts)
    if not _separable(locked, packages):
        return {}
    strict = len(packages) > 1 or any("lints" in package.text for package in packages)
    chosen = folder_of(packages, program)
    files = {MANIFEST: "", LOCK: _ended(texts[LOCK] or "")}
    for package in packages:
        files[posixpath.join(package.folder, MANIFEST)] = _ended(package.text)
        if package.about:
            files |= _empty(package, program if package.folder == chosen else "", strict=strict)
    return files


def own_packages(texts: Texts) -> list[str]:
    """Names of the author's packages, the agent's own among them."""
    return _own(_locked(texts.get(LOCK) or ""))


@functools.lru_cache(maxsize=4)
def _locked(lock: str) -> list[JsonObject]:
    return tables(parsed(lock).get("package"))


def _own(locked: list[JsonObject]) -> list[str]:
    """Of what is locked, what comes from no registry."""
    return [str(one.get("name")) for one in locked if "source" not in one]


def _separable(locked: list[JsonObject], packages: list[Package]) -> bool:
    own, names = _own(locked), [str(one.get("name")) for one in locked]
    if not packages or packages[0].folder or "workspace" in packages[0].about or not 0 < len(own) < len(locked):
        return False
    if any(names.count(name) > 1 for name in own) or not set(own) <= {package.about.get("name") for package in packages}:
        return False
    needed = (one.get("dependencies") for one in locked if "source" in one)
    return not any(str(need).split()[0] in own for needs in needed if isinstance(needs, list) for need in needs)


def _empty(package: Package, program: str, *, strict: bool) -> Iterator[tuple[str, str]]:
    """A package's targets and its build script, each as it compiles without doing anything."""
    main = f"{LIBRARY}{MAIN}" if strict else MAIN
    yield from ((path, main) for path in (*targets(package.document, package.folder), *_script(package)))
    for name in sorted({program, str(package.about.get("default-run") or "")} - {"", *package.programs}):
        yield posixpath.join(package.folder, f"src/bin/{name}.rs"), main
    if strict and (package.folder or "lib" in package.document):
        library = table(package.document.get("lib"))
        yield from ((path, LIBRARY) for path in paths([library], "src/lib.rs", package.folder))


def _script(package: Package) -> Iterator[str]:
    """The build script, without which cargo neither compiles what that depends on nor takes a package that ``links``."""
    script = package.about.get("build")
    if script is not False and (script or "links" in package.about or "build-dependencies" in package.text):
        yield from paths([{"path": script if isinstance(script, str) else ""}], "build.rs", package.folder)


def _ended(text: str) -> str:
    """With a newline at the end: a Dockerfile can write no other file."""
    return text if text.endswith("\n") else f"{text}\n"
