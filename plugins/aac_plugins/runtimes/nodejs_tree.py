"""Which package lies in which folder of node_modules, and which of them an image needs. Pure.

A tree is what package-lock.json (version 2 and 3) holds under ``packages``: path → entry, with ``""`` for the agent itself
(https://docs.npmjs.com/cli/configuring-npm/package-lock-json). Other lock files hold a graph, which is placed here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from aac_tasks.errors import StepError


class Entry(TypedDict, total=False):
    """One package in one place. ``name`` differs from the folder's for an alias; ``resolved`` is the tarball's address."""

    name: str
    version: str
    resolved: str
    integrity: str
    link: bool
    inBundle: bool
    dependencies: dict[str, str]
    optionalDependencies: dict[str, str]
    peerDependencies: dict[str, str]
    peerDependenciesMeta: dict[str, dict[str, bool]]
    os: list[str]
    cpu: list[str]
    libc: list[str]


Tree = dict[str, Entry]


@dataclass(frozen=True)
class Graph:
    """Keys stand for one version of a package each. ``edges``: key → name → key; the agent's own key is ``""``.

    ``peers`` names those edges that must lead to what the neighbours see, too.
    """

    entries: Mapping[str, Entry]
    edges: Mapping[str, Mapping[str, str]]
    peers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What the packages are for, in npm's words: ``x64``, ``glibc`` or ``musl``; the system is always linux."""

    cpu: str
    libc: str

    def misfit(self, entry: Mapping[str, object]) -> str:
        """Why a package is not for this platform, or nothing (``os``, ``cpu`` and ``libc`` of its package.json)."""
        for name, value in (("os", "linux"), ("cpu", self.cpu), ("libc", self.libc)):
            said = entry.get(name) or []
            listed = [said] if isinstance(said, str) else said
            words = [str(word) for word in listed] if isinstance(listed, list) else []
            allowed = [word for word in words if not word.startswith("!") and word != "any"]
            if f"!{value}" in words or (allowed and value not in allowed):
                return f"{name} {' or '.join(words)}"
        return ""


class _Place:
    """A folder that has a node_modules in it, or could."""

    def __init__(self, key: str, path: str, parent: _Place | None) -> None:
        self.key, self.path, self.parent = key, path, parent
        self.children: dict[str, _Place] = {}
        self.passed: set[str] = set()  # what was looked for from here or below and found above: must not be put here any more

    def above(self) -> Iterator[_Place]:
        """This place and those that Node.js looks in after it."""
        here: _Place | None = self
        while here is not None:
            yield here
            here = here.parent

    def sees(self, name: str) -> _Place | None:
        """What ``require(name)`` finds from here."""
        return next((place.children[name] for place in self.above() if name in place.children), None)

    def let_pass(self, name: str, found: _Place) -> None:
        """Remember that ``name`` leads from here to ``found``."""
        for here in self.above():
            if here is found.parent:
                return
            here.passed.add(name)


def place(graph: Graph) -> Tree:
    """Give each package the highest folder in which everybody still finds the version that the graph gives them.

    Raises:
        StepError: versions need each other in a circle that folders can't have (a1 → b1 → a2 → b2 → a1).
    """
    pending = [_Place("", "", None)]
    tree: Tree = {"": graph.entries.get("", {})}
    for here in pending:
        edges = graph.edges.get(here.key, {})
        for name in sorted(edges, key=lambda n: (bool(graph.peers.get(edges[n])), n)):  # first those that others look for
            found = here.sees(name)
            if found is None or found.key != edges[name]:
                found = _put(here, name, edges[name], graph)
                tree[found.path] = graph.entries[found.key]
                pending.append(found)
            here.let_pass(name, found)
    return tree


def _put(here: _Place, name: str, key: str, graph: Graph) -> _Place:
    """A new place for what ``here`` looks for under ``name``."""
    holder = _holder(here, name, key, graph)
    if sum(above.key == key for above in holder.above()) > 1:
        version = graph.entries[key].get("version", "")
        hint = "have one version of it, with overrides or resolutions in package.json"
        raise StepError(f"{name} {version} needs itself through another version of itself", hint=hint)
    found = _Place(key, posixpath.join(holder.path, "node_modules", name), holder)
    holder.children[name] = found
    return found


def _holder(here: _Place, name: str, key: str, graph: Graph) -> _Place:
    wanted = {peer: graph.edges.get(key, {})[peer] for peer in graph.peers.get(key, ()) if peer in graph.edges.get(key, {})}
    best = here
    for candidate in here.above():
        if name in candidate.children:
            break
        seen = {peer: candidate.sees(peer) for peer in wanted}
        agrees = all(found is None or found.key == wanted[peer] for peer, found in seen.items())
        if name not in candidate.passed and agrees:
            best = candidate
    return best


def needed(tree: Tree, target: Target) -> tuple[dict[str, Entry], frozenset[str]]:
    """Path → entry of all that an image needs, sorted, and which of them are optional.

    Raises:
        StepError: the tree lacks a package that is needed, or one is not made for the platform.
    """
    required = _reached(tree, target, optional=False)
    every = _reached(tree, target, optional=True)
    return {path: tree[path] for path in sorted(every)}, frozenset(every - required)


def _reached(tree: Tree, target: Target, *, optional: bool) -> set[str]:
    seen: set[str] = set()
    pending = [""]
    while pending:
        here = pending.pop()
        for name, kind in _wants(tree[here], with_optional=optional):
            path = find(tree, here, name)
            misfit = target.misfit(tree[path]) if path else ""
            if kind == "dependencies" and not optional and (path is None or misfit):
                raise _lacking(tree, here, path, name, target)
            if path is not None and path not in seen and not misfit:
                seen.add(path)
                pending.append(path)
    return seen


def _lacking(tree: Tree, here: str, path: str | None, name: str, target: Target) -> StepError:
    if path is None:
        return StepError(f"the lock file lacks {name}, which {folder_name(here) or 'the agent'} needs", hint="write it anew")
    made_for = target.misfit(tree[path])
    return StepError(
        f"{name} {tree[path].get('version', '')} is made for {made_for}, the image is linux {target.cpu} {target.libc}",
        hint=f"take another package or version, or make {name} an optional dependency",
    )


def _wants(entry: Entry, *, with_optional: bool) -> Iterator[tuple[str, str]]:
    """(name, why) of what a package looks for."""
    optional = entry.get("optionalDependencies", {})
    for name in entry.get("dependencies", {}):
        if name not in optional:
            yield name, "dependencies"
    spared = entry.get("peerDependenciesMeta", {})
    for name in entry.get("peerDependencies", {}):
        if not spared.get(name, {}).get("optional"):
            yield name, "peerDependencies"
    for name in optional if with_optional else ():
        yield name, "optionalDependencies"


def find(tree: Mapping[str, object], path: str, name: str) -> str | None:
    """The folder in which ``require(name)`` from ``path`` finds a package (https://nodejs.org/api/modules.html)."""
    while True:
        candidate = posixpath.join(path, "node_modules", name)
        if candidate in tree:
            return candidate
        if not path:
            return None
        path = path.rpartition("node_modules/")[0].rstrip("/")


def folder_name(path: str) -> str:
    """``node_modules/a/node_modules/@b/c`` → ``@b/c``."""
    return path.rpartition("node_modules/")[2]
