"""Whether an instance has a program, before it is started there: engines and runtimes say it each in its own way."""

from __future__ import annotations

import base64
import json
import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aac_plugins.oci.docker_api import Engine, MissingError, inside
from aac_plugins.runners.launch import DEFAULT_PATH
from aac_plugins.runners.paths import resolve_in
from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.running import Instance
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import ProgramError, StepError

_FOLDER, _LINK = 1 << 31, 1 << 27
"""Bits of Go's os.FileMode, in which an engine tells what a path is."""

Look = Callable[[str], bool | None]
"""Whether a path can be executed; None when there is nothing."""


def demand(instance: Instance, program: str, path: str, folder: str, look: Look) -> None:
    """Look for a program as execvp(3) does, from ``folder``.

    Raises:
        ProgramError: it is not there, or not to be executed.
    """
    denied = ""
    for candidate in _candidates(program, path or DEFAULT_PATH, folder):
        found = look(candidate)
        if found:
            return
        denied = denied or ("" if found is None else candidate)
    if denied:
        raise ProgramError(f"{instance.name}: {denied} can't be executed", ProgramError.DENIED)
    where = "" if "/" in program else f" (PATH={path or DEFAULT_PATH})"
    raise ProgramError(f"{instance.name} has no program {program!r}{where}", ProgramError.MISSING)


def _candidates(program: str, path: str, folder: str) -> Iterator[str]:
    folders = ("",) if "/" in program else path.split(":")
    return (posixpath.normpath(posixpath.join("/", folder, place, program)) for place in folders)


def demand_below(instance: Instance, root: Path, program: str, path: str, folder: str) -> None:
    """The same below a root that is here; nothing where the kernel does not let us look."""

    def look(place: str) -> bool | None:
        found = resolve_in(root, place)
        return found.is_file() and bool(found.stat().st_mode & 0o111) if found.exists() else None

    try:
        demand(instance, program, path, folder, look)
    except OSError:
        return


def demand_in(engine: Engine, container: str, instance: Instance, program: str, tools: Tools) -> None:
    """The same in a container. StepError when it does not run."""
    known = engine.inspect(tools, container)
    if not table(known.get("State")).get("Running"):
        raise StepError(f"{instance.name} does not run", hint="start it first; its log says why it ended")

    unseen = tuple(f"{place}/" for place in ("/proc", "/sys", "/dev", *_in_memory(known)))

    def look(place: str) -> bool | None:
        if place.startswith(unseen):
            return True
        try:
            with engine.open(tools, "HEAD", inside(container, place)) as response:
                told = response.headers.get("x-docker-container-path-stat", "")
        except MissingError:
            return None
        mode = json.loads(base64.b64decode(told))["mode"] if told else _LINK
        return bool(mode & _LINK) or (bool(mode & 0o111) and not mode & _FOLDER)

    config = table(known.get("Config"))
    env = dict(str(one).partition("=")[::2] for one in _list(config.get("Env")))
    demand(instance, program, env.get("PATH", ""), str(config.get("WorkingDir") or "/"), look)


def _in_memory(known: JsonObject) -> Iterator[str]:
    """Where a container has a tmpfs, into which an engine does not look."""
    host = table(known.get("HostConfig"))
    yield from table(host.get("Tmpfs"))
    yield from (str(mount.get("Target")) for mount in map(table, _list(host.get("Mounts"))) if mount.get("Type") == "tmpfs")


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()
