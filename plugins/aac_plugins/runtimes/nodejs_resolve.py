"""What the author asked for → one tarball per folder of node_modules, pinned by URL and SHA-256, for the image's platform.

A lock file of npm, pnpm or Yarn is read as it is. Where there is none, or ``spec.dependencies`` add to it, the host's npm
decides, once, keeping what is locked. Nothing is installed and no package's script is run, here or later.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from aac_plugins.runtimes import nodejs_npm, nodejs_pnpm, nodejs_yarn
from aac_plugins.runtimes.nodejs_manifest import MANIFEST, NPM_LOCKS, NPMRC, WANTED, Manifest, split, wanted_trouble
from aac_plugins.runtimes.nodejs_registry import Settings, described, fetched, settings, tarball_url
from aac_plugins.runtimes.nodejs_tree import Entry, Graph, Target, Tree, folder_name, needed, place
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.lock import DependencyRequest, LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

CPUS = {"amd64": "x64", "386": "ia32", "ppc64le": "ppc64"}
"""Go's names of CPUs → Node.js's (https://nodejs.org/api/process.html#processarch), where they differ."""

SCRIPTS = ("preinstall", "install", "postinstall")

T = TypeVar("T")
R = TypeVar("R")


def resolve(request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
    """Pin everything that ``request`` needs; sorted by path.

    Raises:
        StepError: nothing satisfies the request, a registry does not answer, or a package can't work without its scripts.
    """
    manifest: Manifest = json.loads(request.files.get(MANIFEST, "{}"))
    npmrc = request.files.get(NPMRC, "")
    known = settings(npmrc, tools)
    target = target_of(base)
    wanted = _merged(manifest, request.requirements)
    tree = _locked(request.files, manifest, known, tools)
    if wanted != manifest or not isinstance(tree, dict):
        tree = nodejs_npm.resolve(wanted, tree, npmrc, tools) if any(wanted.values()) else {"": {}}
    entries, optional = needed(tree, target)
    ready = {path: entry for path, entry in entries.items() if not entry.get("inBundle")}
    ready = _each(ready, lambda path: (path, _addressed(path, ready[path], known, tools)))
    files = _each(ready, lambda path: (path, fetched(path, ready[path], known, tools)), tools)
    kept = _working(files, optional, target, tools)
    return LockedDependencies(kept, {NPMRC: npmrc} if npmrc and kept else {})


def target_of(base: LockedBase) -> Target:
    """The platform in npm's words."""
    musl = base.facts.get("musl") or "alpine" in base.reference
    return Target(CPUS.get(base.platform.architecture, base.platform.architecture), "musl" if musl else "glibc")


def _merged(manifest: Manifest, requirements: Iterable[str]) -> Manifest:
    added = dict(split(text) for text in requirements)
    return {**manifest, "dependencies": {**manifest.get("dependencies", {}), **added}} if added else manifest


def _locked(files: Mapping[str, str], manifest: Manifest, known: Settings, tools: Tools) -> Tree | str | None:
    """The tree of the lock file there is; the text of one that only npm can read; None without."""
    if "pnpm-lock.yaml" in files:
        return place(nodejs_pnpm.read(files["pnpm-lock.yaml"], manifest))
    if "yarn.lock" in files:
        graph = nodejs_yarn.read(files["yarn.lock"], manifest)
        return place(graph if "__metadata:" in files["yarn.lock"] else _with_platforms(graph, known, tools))
    name = next((n for n in NPM_LOCKS if n in files), "")
    return _of_npm(name, files[name], manifest) if name else None


def _of_npm(name: str, text: str, manifest: Manifest) -> Tree | str:
    try:
        lock = json.loads(text)
        tree = cast("Tree", lock.get("packages"))
    except (ValueError, AttributeError) as error:
        raise StepError(f"{name} is not JSON that npm wrote: {error}", hint="write it anew with `npm install`") from error
    if not tree:
        return text  # npm 6 wrote lockfileVersion 1: npm keeps its versions when it writes it anew
    top = tree.get("", {})
    for kind in ("dependencies", "optionalDependencies"):
        said = cast("dict[str, str]", top.get(kind) or {})
        for package, wanted in manifest.get(kind, {}).items():
            if said.get(package) != wanted:
                hint = "bring them together with `npm install --package-lock-only`"
                raise StepError(f"{name} has {package} {said.get(package, 'not at all')}, {MANIFEST} {wanted}", hint=hint)
    root = cast("Entry", {kind: manifest.get(kind, {}) for kind in WANTED})
    return {**tree, "": root}  # what is for development, or was taken out of package.json, is not reached from here


def _with_platforms(graph: Graph, known: Settings, tools: Tools) -> Graph:
    """Yarn 1 does not write down which platforms an optional package is for: the registry knows."""
    asked = {
        graph.edges[key][name]
        for key, entry in graph.entries.items()
        for name in entry.get("optionalDependencies", {})
        if name in graph.edges[key]
    }

    def learn(key: str) -> tuple[str, Entry]:
        entry = graph.entries[key]
        about = described(entry.get("name") or split(key)[0], entry["version"], known, tools)
        return key, cast("Entry", {**entry, **{f: about[f] for f in ("os", "cpu", "libc") if about.get(f)}})

    return Graph({**graph.entries, **_each(dict.fromkeys(sorted(asked)), learn)}, graph.edges)


def _each(items: Mapping[str, T], work: Callable[[str], tuple[str, R]], tools: Tools | None = None) -> dict[str, R]:
    """``work`` done for every key, eight at a time: most of it is waiting for a registry."""
    with ThreadPoolExecutor(8) as pool:
        found = {}
        for number, (name, value) in enumerate(pool.map(work, items), 1):
            found[name] = value
            if tools is not None:
                tools.progress(f"fetched {folder_name(name)}", number, len(items))
        return found


def _addressed(path: str, entry: Entry, known: Settings, tools: Tools) -> Entry:
    """The entry with an address, and with what the registry says of its hash where the lock file is silent."""
    name, version = entry.get("name") or folder_name(path), entry.get("version", "")
    if entry.get("link"):
        raise StepError(
            f"{name} is the folder {entry.get('resolved', '')}, and only published packages can be locked",
            hint="import its files by path, map it under \"imports\" in package.json, or publish it",
        )
    url = entry.get("resolved") or tarball_url(name, version)
    trouble = wanted_trouble(name, url)
    if trouble:
        raise StepError(trouble)
    if entry.get("integrity") or "/-/" not in url:
        return {**entry, "resolved": url}
    dist = cast("dict[str, str]", described(name, version, known, tools)["dist"])
    return {**entry, "resolved": entry.get("resolved") or dist["tarball"], "integrity": _integrity(dist)}


def _integrity(dist: Mapping[str, str]) -> str:
    import base64  # lazy: old packages only

    return dist.get("integrity") or f"sha1-{base64.b64encode(bytes.fromhex(dist['shasum'])).decode()}"


def _working(files: Mapping[str, LockedFile], optional: frozenset[str], target: Target, tools: Tools) -> tuple[LockedFile, ...]:
    """All but optional packages that can't work here; those whose scripts are not run are named."""
    kept, unrun = [], []
    for path, file in files.items():
        about, names = _looked_into(path, file, tools)
        scripts = about.get("scripts")
        runs = isinstance(scripts, dict) and any(name in scripts for name in SCRIPTS)
        brings = about.get("optionalDependencies") or any(name.endswith(".node") for name in names)
        compiles = "binding.gyp" in names and not brings
        misfit = target.misfit(about)
        if path in optional and (compiles or misfit):
            tools.note(f"{folder_name(path)} {file.version} is optional and left out: {misfit or 'it would have to be compiled'}")
            continue
        if compiles:
            raise StepError(
                f"{folder_name(path)} {file.version} compiles itself when it is installed (node-gyp), and no script is run",
                hint="take a package or version that brings what it needs, or write your own image with build.dockerfile",
            )
        unrun += [f"{folder_name(path)} {file.version}"] if runs else []
        kept.append(file)
    if unrun:
        tools.note(f"not run: install scripts of {', '.join(sorted(unrun))}")
    return tuple(kept)


def _looked_into(path: str, file: LockedFile, tools: Tools) -> tuple[Mapping[str, object], frozenset[str]]:
    """The package.json of a tarball and the names in it."""
    from aac_plugins.runtimes.nodejs_tarballs import TarballError, members

    about: Mapping[str, object] = {}
    names = set()
    try:
        for name, data, _ in members(path, tools.blobs.path(Digest(f"sha256:{file.sha256}"))):
            names.add(name)
            if name == "package.json":
                loaded = json.loads(data.decode("utf-8", errors="replace").lstrip("\ufeff"))
                about = loaded if isinstance(loaded, dict) else {}
    except (TarballError, tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise StepError(f"{file.url} can't be unpacked: {error}", hint="take another version of the package") from error
    return about, frozenset(names)
