"""pnpm-lock.yaml (formats 6 and 9, of pnpm 8 and later) as a graph. Pure: no pnpm is run.

What is exact: every package has the version and hash, and what it depends on is the version, that pnpm decided. Packages
are put into folders as npm does it, not into pnpm's store of links: everybody finds the same versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias, cast

from aac_plugins.runtimes.nodejs_manifest import Manifest, split
from aac_plugins.runtimes.nodejs_registry import tarball_url
from aac_plugins.runtimes.nodejs_tree import Entry, Graph
from aac_tasks.errors import StepError

HINT = "write pnpm-lock.yaml anew with `pnpm install`, of pnpm 8 or later"

KINDS = ("dependencies", "optionalDependencies")

Table: TypeAlias = "dict[str, dict[str, object]]"
"""As in the file: names → fields."""


def read(text: str, manifest: Manifest) -> Graph:
    """The graph below ``manifest``.

    Raises:
        StepError: the file is not what pnpm writes, or does not answer package.json.
    """
    lock = _loaded(text)
    packages, snapshots = _tables(lock)
    importers = cast("Table", lock.get("importers") or {".": lock})
    top = importers.get(".", {})
    _check(top, manifest)
    wanted = {name: str(_at(top, kind, name)["version"]) for kind in KINDS for name in manifest.get(kind, {})}
    root: Entry = {"dependencies": {**manifest.get("dependencies", {})}}
    root["optionalDependencies"] = {**manifest.get("optionalDependencies", {})}
    entries: dict[str, Entry] = {"": root}
    edges: dict[str, dict[str, str]] = {"": {name: _key(name, version) for name, version in wanted.items()}}
    peers: dict[str, frozenset[str]] = {}
    pending = list(edges[""].values())
    while pending:
        key = pending.pop()
        if key in edges:
            continue
        package = packages.get(key) or packages.get(key.partition("(")[0])
        if package is None:
            raise StepError(f"pnpm-lock.yaml: nothing is said of {key}", hint=HINT)
        snapshot = snapshots.get(key, package)
        edges[key] = dict(_edges(snapshot))
        peers[key] = frozenset(cast("dict[str, str]", package.get("peerDependencies") or {}))
        entries[key] = _entry(key, package, snapshot)
        pending += edges[key].values()
    return Graph(entries, edges, peers)


def _loaded(text: str) -> Mapping[str, object]:
    import yaml  # lazy: only at lock, and only where the file is

    try:
        lock = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506  # makes texts only
    except yaml.YAMLError as error:
        raise StepError(f"pnpm-lock.yaml can't be read: {error}", hint=HINT) from error
    version = str(lock.get("lockfileVersion", "")) if isinstance(lock, dict) else ""
    if version.partition(".")[0] not in ("6", "9"):
        raise StepError(f"pnpm-lock.yaml has format {version or 'none'}; formats 6 and 9 are read", hint=HINT)
    return cast("Mapping[str, object]", lock)


def _tables(lock: Mapping[str, object]) -> tuple[Table, Table]:
    """Facts and edges of each package by ``name@version(peers)``; format 6 has both in one table, with a slash before."""
    packages = {key.removeprefix("/"): about for key, about in cast("Table", lock.get("packages") or {}).items()}
    snapshots = cast("Table", lock.get("snapshots") or {})
    return packages, {key: about or {} for key, about in snapshots.items()}


def _check(top: Mapping[str, object], manifest: Manifest) -> None:
    for kind in KINDS:
        known = cast("Table", top.get(kind) or {})
        for name, wanted in manifest.get(kind, {}).items():
            said = known.get(name, {}).get("specifier")
            if said != wanted:
                raise StepError(f"pnpm-lock.yaml has {name} {said or 'not at all'}, package.json {wanted}", hint=HINT)


def _at(top: Mapping[str, object], kind: str, name: str) -> dict[str, object]:
    return cast("Table", top.get(kind) or {})[name]


def _key(name: str, version: str) -> str:
    """The key that ``version`` of ``name`` has in the tables: an alias, and an address, are keys themselves."""
    if version.startswith(("link:", "file:", "workspace:")):
        raise StepError(
            f"pnpm-lock.yaml: {name} is the folder {version.partition(':')[2]}, and only published packages can be locked",
            hint="import its files by path, map it under \"imports\" in package.json, or publish it",
        )
    version = version.removeprefix("/")
    return version if re.match(r"@?[^@(]+@", version) else f"{name}@{version}"


def _edges(snapshot: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        for name, version in cast("dict[str, str]", snapshot.get(kind) or {}).items():
            yield name, _key(name, version)


def _entry(key: str, package: Mapping[str, object], snapshot: Mapping[str, object]) -> Entry:
    name, version = split(key.partition("(")[0])
    resolution = cast("dict[str, str]", package.get("resolution") or {})
    if "directory" in resolution or resolution.get("type") == "git" or "commit" in resolution:
        hint = "name a published version, or the URL of a tarball"
        raise StepError(f"pnpm-lock.yaml: {name} is not from a registry", hint=hint)
    entry: Entry = {
        "name": str(package.get("name") or name),
        "version": str(package.get("version") or version),
        "resolved": resolution.get("tarball") or tarball_url(name, version),
        "integrity": resolution.get("integrity", ""),
        "dependencies": _versions(snapshot, "dependencies"),
        "optionalDependencies": _versions(snapshot, "optionalDependencies"),
    }
    entry.update(cast("Entry", {field: package[field] for field in ("os", "cpu", "libc") if field in package}))
    return entry


def _versions(snapshot: Mapping[str, object], kind: str) -> dict[str, str]:
    """Names with exact versions, as npm would write them into a package.json."""
    found = {}
    for name, version in cast("dict[str, str]", snapshot.get(kind) or {}).items():
        target, exact = split(_key(name, version).partition("(")[0])
        found[name] = exact if target == name else f"npm:{target}@{exact}"
    return found
