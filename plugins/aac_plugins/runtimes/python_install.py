"""Locked wheels → the files of the dependency layer, on the host and (the same, as a build stage) in a Dockerfile.

Everything lands below ``/opt/agent``, which the image's environment makes the user base of its Python
(https://docs.python.org/3/library/site.html): its site-packages is a real site folder, so .pth files and
namespace packages work, and the base's own files stay as they are.
The wheels are unpacked by ``python_wheels``, not by uv or pip: one text that runs in both places is what makes
the two images equal, and bytes do not follow the version of a tool (docs/adr/0007).
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from aac_plugins.runtimes.origin import Language
from aac_plugins.runtimes.python_resolve import environment, file_name, redact, target_of
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.lock import LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import Add, DependencyLayer, Run, Stage, Write
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError

PREFIX = "/opt/agent"
WHEEL_MEDIA_TYPE = "application/vnd.pypi.wheel"
PYTHON = Language("python", "Python", "python", "3.12-slim", "python3", "/usr/bin/python3")
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


def install(locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None:
    """Fetch what is missing, then unpack below ``into``.

    Raises:
        StepError: a wheel can't be fetched, is not what was locked, or is broken.
    """
    from aac_plugins.runtimes import python_wheels  # lazy, as in fetch and layer: a plan needs none of it

    if not locked.files:
        return
    fetch(locked, tools)
    wheels = {file_name(f.url): tools.blobs.path(_digest(f)) for f in locked.files}
    prefix = into / PREFIX.lstrip("/")
    for folder in (prefix.parent, prefix):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    try:
        python_wheels.install(wheels, prefix, target_of(base).minor, PYTHON.interpreter(base))
    except python_wheels.WheelError as error:
        raise StepError(f"a wheel can't be installed: {error}", hint="take another version of it") from error


def _digest(file: LockedFile) -> Digest:
    return Digest(f"sha256:{file.sha256}")


def fetch(locked: LockedDependencies, tools: Tools) -> None:
    """Bring every wheel into the store; StepError when one can't be had or is not what was locked."""
    from concurrent.futures import ThreadPoolExecutor

    missing = [f for f in locked.files if not tools.blobs.has(f.blob)]
    if missing and tools.offline:
        names = ", ".join(f"{f.name} {f.version}" for f in missing)
        raise StepError(f"not downloaded yet: {names}", hint="build once without --offline")
    credentials = dict(_credentials(tools))
    with ThreadPoolExecutor(4) as pool:
        for number, file in enumerate(pool.map(lambda f: _fetch_one(f, credentials, tools), missing), 1):
            tools.progress(f"fetched {file.name} {file.version}", number, len(missing))


def _fetch_one(file: LockedFile, credentials: dict[str, str], tools: Tools) -> LockedFile:
    parts = urlsplit(file.url)
    known = credentials.get(parts.netloc)
    headers = {"authorization": f"Basic {known}"} if known else {}
    with tools.http(HttpRequest("GET", file.url, headers, timeout=120.0)) as answer:
        if answer.status != 200:
            raise StepError(
                f"{redact(file.url)} answered {answer.status}",
                hint="the index no longer has this file: run `agent lock`, or give its credentials in UV_DEFAULT_INDEX",
            )
        tools.blobs.put(answer.stream(), media_type=WHEEL_MEDIA_TYPE, expect=_digest(file))
    return file


def _credentials(tools: Tools) -> Iterator[tuple[str, str]]:
    """Host → basic credentials, out of the index addresses in the environment (the lock holds none)."""
    env = environment(tools)
    for text in " ".join(env.get(name, "") for name in INDEX_VARIABLES).split():
        userinfo, at, host = urlsplit(text.rsplit("=", 1)[-1] if "://" not in text.split("=")[0] else text).netloc.rpartition("@")
        if at:
            yield host, base64.b64encode(unquote(userinfo).encode()).decode()


def layer(locked: LockedDependencies, base: LockedBase) -> DependencyLayer:
    """The layer as both renderings know it. The stage needs no network but for its ADDs, which the builder verifies."""
    version, python = target_of(base).minor, PYTHON.interpreter(base)
    wheels = tuple(Add(f.url, f.sha256, f"/wheels/{file_name(f.url)}") for f in locked.files)
    run = Run((python, "/install.py", "/wheels", PREFIX, version, python), {"PYTHONDONTWRITEBYTECODE": "1"})
    stage = Stage("dependencies", (*wheels, Write("/install.py", _script()), run))
    return DependencyLayer("python", version, locked, (PREFIX,), stage)


@functools.cache  # read once, not for each agent of a workspace
def _script() -> str:
    """The text of what unpacks wheels, for a Dockerfile."""
    import importlib.resources  # lazy, as above

    return importlib.resources.files("aac_plugins.runtimes").joinpath("python_wheels.py").read_text("utf-8")
