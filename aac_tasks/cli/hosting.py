"""The part of `agent doctor` that needs no plugin: Python, doit, the command itself, folders, proxies."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from aac_tasks.reporter.wording import size
from aac_tasks.state.cleaning import stats
from aac_tasks.state.root import FOLDER, user_cache
from aac_tasks.steps.survey import Finding

DOIT = ((0, 36), (0, 39))
"""From, and before (pyproject.toml)."""

NETWORK = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def host_findings(root: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Everything about this machine and this user."""
    yield _system()
    yield _python()
    yield _doit()
    yield from _commands(environment)
    yield _writable("state", root / FOLDER)
    cache = user_cache(environment)
    yield _writable("cache", cache)
    yield from (Finding("cache", part.name, "ok", f"{part.files} files, {size(part.size)}") for part in stats(cache))
    yield from _network(environment)


def _system() -> Finding:
    name = platform.system()
    if name == "Windows":
        return Finding("host", "system", "blocked", "native Windows is not supported; use WSL 2")
    return Finding("host", "system", "ok", f"{name} {platform.machine()}")


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < (3, 10):  # noqa: UP036  # a copied tree may be started with anything
        return Finding("host", "python", "blocked", f"{version}; 3.10 or newer is needed")
    return Finding("host", "python", "ok", f"{version} at {sys.executable}")


def _doit() -> Finding:
    try:
        version = importlib.metadata.version("doit")
    except importlib.metadata.PackageNotFoundError:
        return Finding("host", "doit", "blocked", "not installed; install aac-tasks again")
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    if not DOIT[0] <= numbers < DOIT[1]:
        return Finding("host", "doit", "blocked", f"{version} is outside of >=0.36,<0.39")
    return Finding("host", "doit", "ok", version)


def _commands(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Other tools call their command `agent` too (puppet, ssh wrappers, editors); `aac` is ours alone."""
    ours = Path(sys.executable).parent
    for folder in environment.get("PATH", "").split(os.pathsep):
        first = Path(folder, "agent")
        if folder and first.is_file() and os.access(first, os.X_OK):
            if first.parent.resolve() == ours.resolve() or _is_ours(first):
                yield Finding("host", "agent", "ok", str(first))
            else:
                yield Finding("host", "agent", "warning", f"{first} is another program; `aac` is the same as ours")
            return
    yield Finding("host", "agent", "off", "not on PATH; `python -m aac_tasks` is the same")


def _is_ours(script: Path) -> bool:
    try:
        return b"aac_tasks" in script.read_bytes()[:4096]
    except OSError:
        return False


def _writable(area: str, folder: Path) -> Finding:
    """Looks at the folder, or at the nearest parent that is there: nothing is made for the look."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(area, "folder", "ok", str(folder))
    return Finding(area, "folder", "blocked", f"{folder}: {there} can't be written; make it writable")


def _network(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in NETWORK:
        value = environment.get(name) or environment.get(name.lower())
        if value:
            shown = re.sub(r"//[^/@]*@", "//…@", value)  # a proxy's password is nobody's business
            yield Finding("network", name, "ok", shown)
