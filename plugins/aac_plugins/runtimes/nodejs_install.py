"""Locked tarballs → /app/node_modules, on the host and (the same, as a build stage) in a Dockerfile.

Beside the agent's files, because that is the one place where both of Node.js's ways to import look: modules
(``import``) know no NODE_PATH (https://nodejs.org/api/esm.html#no-node_path). It is a layer of its own all the same: an
edited source file does not touch it.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aac_plugins.runtimes.nodejs_manifest import NPMRC
from aac_plugins.runtimes.nodejs_registry import refetched, settings
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.lock import LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import APP_DIR, Add, DependencyLayer, Run, Stage, Write
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError


def install(locked: LockedDependencies, into: Path, tools: Tools) -> None:
    """Fetch what is missing, then unpack below ``into``.

    Raises:
        StepError: a tarball can't be fetched, is not what was locked, or is broken.
    """
    from aac_plugins.runtimes import nodejs_tarballs  # lazy: a plan needs none of it

    if not locked.files:
        return
    _fetch(locked, tools)
    root = into / APP_DIR.lstrip("/")
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    try:
        nodejs_tarballs.install({file.name: tools.blobs.path(_digest(file)) for file in locked.files}, root)
    except nodejs_tarballs.TarballError as error:
        raise StepError(f"a package can't be installed: {error}", hint="take another version of it") from error


def _digest(file: LockedFile) -> Digest:
    return Digest(f"sha256:{file.sha256}")


def _fetch(locked: LockedDependencies, tools: Tools) -> None:
    missing = list({f.sha256: f for f in locked.files if not tools.blobs.has(f.blob)}.values())
    known = settings(locked.texts.get(NPMRC, ""), tools)
    with ThreadPoolExecutor(8) as pool:
        for number, _ in enumerate(pool.map(lambda file: refetched(file, known, tools), missing), 1):
            tools.progress("fetching npm packages", number, len(missing))


def layer(locked: LockedDependencies, base: LockedBase, node: str) -> DependencyLayer:
    """The layer as both renderings know it. The stage needs no network but for its ADDs, which the builder verifies."""
    import importlib.resources

    tarballs = {file.sha256: file.url for file in locked.files}  # one tarball may be in several places
    adds = tuple(Add(url, sha256, f"/tarballs/{sha256}.tgz") for sha256, url in tarballs.items())
    paths = json.dumps({file.name: f"{file.sha256}.tgz" for file in sorted(locked.files, key=lambda f: f.name)}, indent=1)
    script = importlib.resources.files("aac_plugins.runtimes").joinpath("nodejs_tarballs.js").read_text("utf-8")
    writes = (Write("/install.json", f"{paths}\n"), Write("/install.js", script))
    run = Run((node, "/install.js", "/install.json", "/tarballs", APP_DIR))
    stage = Stage("dependencies", (*adds, *writes, run))
    return DependencyLayer("nodejs", base.runtime_version, locked, (f"{APP_DIR}/node_modules",), stage)
