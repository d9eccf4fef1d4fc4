"""What the tests of the Node.js runtime stand on: tarballs made by hand, a registry on loopback, and the host's npm."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import ssl
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from http_servers import Answer, Seen, http_server
from plugins.python.python_workbench import make_tools, tree_of

from aac_plugins.runtimes.nodejs_manifest import read
from aac_plugins.runtimes.nodejs_resolve import resolve
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies
from aac_tasks.contracts.tools import Tools
from aac_tasks.steps.tools import StepTools
from aac_tasks.testing import need

__all__ = ["DEBIAN_BASE", "WANTS_GREETER", "Registry", "lock", "locked_by_npm", "node", "npm_tools", "pack", "serving", "tree_of"]

DEBIAN_BASE = LockedBase("debian", "debian:trixie", Platform(), runtime_version="20.19", facts={"nodejs": "/usr/bin/node"})


def node() -> str:
    """The host's Node.js."""
    found = shutil.which("node")
    need(found is not None, "node is not installed")
    return str(found)


def pack(files: Mapping[str, str | bytes], *, top: str = "package", members: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    """A tarball as `npm pack` makes it; a path ending in ``*`` is executable, ``members`` come as they are."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(f"{top}/{name.rstrip('*')}")
            info.size, info.mode = len(data), 0o755 if name.endswith("*") else 0o644
            archive.addfile(info, io.BytesIO(data))
        for info in members:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return gzip.compress(raw.getvalue(), mtime=0)


@dataclass
class Registry:
    """An npm registry. ``token`` is wanted of who asks when it is set; ``asked`` lists the paths that were asked for."""

    url: str = ""
    token: str = ""
    asked: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    packages: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    tarballs: dict[str, bytes] = field(default_factory=dict)

    def publish(self, name: str, version: str = "1.0.0", files: Mapping[str, str | bytes] | None = None, **about: Any) -> str:
        """A package; ``about`` joins its package.json. Gives its integrity."""
        manifest = {"name": name, "version": version, **about}
        index = f"module.exports = '{name} {version}';\n"
        data = pack({"package.json": json.dumps(manifest), "index.js": index, **(files or {})})
        path = f"{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        self.tarballs[path] = data
        integrity = f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"
        shasum = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        dist = {"tarball": self.url + path, "integrity": integrity, "shasum": shasum}
        self.packages.setdefault(name, {})[version] = {**manifest, "dist": dist}
        return integrity

    def answer(self, path: str) -> tuple[int, bytes]:
        """What is under ``path``."""
        if path in self.tarballs:
            return 200, self.tarballs[path]
        if path in self.packages:
            versions = self.packages[path]
            latest = sorted(versions)[-1]
            return 200, json.dumps({"name": path, "dist-tags": {"latest": latest}, "versions": versions}).encode()
        name, _, version = path.rpartition("/")
        if version in self.packages.get(name, {}):
            return 200, json.dumps(self.packages[name][version]).encode()
        return 404, b'{"error": "not found"}'


@contextmanager
def serving(registry: Registry, tls: ssl.SSLContext | None = None) -> Iterator[Registry]:
    """The registry, answering on loopback as long as the block lasts."""

    def behave(request: Seen) -> Answer:
        path, said = unquote(request.path).lstrip("/"), request.headers.get("authorization", "")
        registry.asked.append(path)
        registry.authorizations.add(said)
        return Answer(*registry.answer(path)) if not registry.token or said == f"Bearer {registry.token}" else Answer(401, b"{}")

    with http_server(behave, tls) as server:
        registry.url = f"{'https' if tls else 'http'}://{server.address}/"
        yield registry


def npm_tools(folder: Path, registry: str, *, offline: bool = False, **environment: str) -> StepTools:
    """Tools of a user who has a home of their own and this registry."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    said = {"NPM_CONFIG_REGISTRY": registry} if registry else {}
    retries = {"NPM_CONFIG_FETCH_RETRIES": "0"}
    return make_tools(folder, offline=offline, HOME=str(home), **said, **retries, **environment)


FILES = {"npm": "package-lock.json", "yarn": "yarn.lock", "npmrc": ".npmrc"}


def lock(
    tools: Tools,
    *own: str,
    package: Mapping[str, object] | None = None,
    base: LockedBase = DEBIAN_BASE,
    **files: str,
) -> LockedDependencies:
    """Resolve ``spec.dependencies`` beside a package.json and other files, by the names in ``FILES``."""
    texts: dict[str, str | None] = {FILES[name]: text for name, text in files.items()}
    request, problems = read(own, {**texts, "package.json": json.dumps(package) if package is not None else None})
    assert problems == ()
    return resolve(request, base, tools)


def locked_by_npm(registry: Registry, **integrity: str) -> str:
    """The package-lock.json of an agent that depends on greeter."""
    entry = {"version": "1.0.0", "resolved": f"{registry.url}greeter/-/greeter-1.0.0.tgz", **integrity}
    packages = {"": {"dependencies": {"greeter": "^1"}}, "node_modules/greeter": entry}
    return json.dumps({"lockfileVersion": 3, "packages": packages})


WANTS_GREETER = {"dependencies": {"greeter": "^1"}}
