"""What a runner keeps of an instance, so that nothing stays behind after a crash.

A file in the instance's folder says what was started; it is written before the first process is.
When even that was too early to know a pid, a process is known by having its root or program in that folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.roles import Instance
from aac_tasks.contracts.tools import Spawned, Tools
from aac_tasks.errors import StepError

FILE = "handle.json"
PROC = Path("/proc")

READABLE = 0.5
"""Seconds after which an environment that still reads as empty is empty."""


def write_record(state: Path, handle: JsonObject) -> None:
    """Keep a handle in the instance's folder, for the user only."""
    path = state / FILE
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(handle))
    temporary.chmod(0o600)
    temporary.replace(path)


def read_record(state: Path) -> JsonObject:
    """The handle kept there; empty when there is none."""
    try:
        value = json.loads((state / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def text_of(instance: Instance, name: str) -> str:
    """A text in the handle; StepError when it is not there, as it is when another version wrote it."""
    value = instance.handle.get(name)
    if not isinstance(value, str):
        raise StepError(f"{instance.name}: its record lacks {name!r}", hint="remove the instance and start it again")
    return value


def spawned_of(handle: JsonObject) -> Spawned | None:
    """The process that a handle names."""
    pid, start, boot = (handle.get(k) for k in ("pid", "start_time", "boot_id"))
    if isinstance(pid, int) and isinstance(start, str) and isinstance(boot, str):
        return Spawned(pid, start, boot)
    return None


def with_process(handle: JsonObject, spawned: Spawned) -> dict[str, Json]:
    """The handle, naming its process."""
    return {**handle, "pid": spawned.pid, "start_time": spawned.start_time, "boot_id": spawned.boot_id}


def kill_strays(state: Path, tools: Tools, *, mark: str = "") -> None:
    """End every process of ours that lives in an instance's folder, whoever started it (Linux).

    With a ``mark`` also those that have it among their arguments or in their environment: a random name that only an instance's
    tools know. ``runc init`` has it there (``_LIBCONTAINER_STATEDIR``), and nowhere else until it is the agent.
    """
    for spawned in strays(state, mark):
        tools.kill(spawned, grace=0.5)


def strays(state: Path, mark: str = "") -> Iterator[Spawned]:
    """Processes whose root or program lies in ``state``, or that were given ``mark``; never this one.

    Only processes of the same user can be looked at, so only those are found.
    """
    if not (PROC / "self").exists():
        return
    boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if _lives_in(entry, state) or (mark and _was_given(entry, mark)):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield Spawned(int(entry.name), fields[19], boot)
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue


def _lives_in(process: Path, folder: Path) -> bool:
    """Its root or its program is in there. (Its working folder says nothing: a shell may stand there.)"""
    return any((process / link).readlink().is_relative_to(folder) for link in ("root", "exe"))


def _was_given(process: Path, mark: str) -> bool:
    word = mark.encode()
    return word in (process / "cmdline").read_bytes().split(b"\0") or word in (process / "environ").read_bytes()


def is_inside(pid: int, link: str, folder: Path) -> bool:
    """Whether ``root`` or ``exe`` of a process lies in a folder, or is it."""
    try:
        place = (PROC / str(pid) / link).readlink()
    except OSError:
        return False
    return place.is_relative_to(folder)


def has_become(pid: int, link: str, folder: Path) -> bool:
    """Whether a process is the program it was to become, and its environment can be read.

    Source: execve(2) puts the new environment in place after the new program: between them it reads as empty.
    """
    return is_inside(pid, link, folder) and bool(environment_of(pid))


def environment_seen(pid: int, tools: Tools) -> dict[str, str]:
    """The same of one that may just become another program, as a shell does with its last command: see `has_become`."""
    found: dict[str, str] = {}

    def look() -> bool:
        found.update(environment_of(pid))
        return bool(found)

    tools.wait_until(look, timeout=READABLE, every=0.002)
    return found


def children(pid: int) -> list[int]:
    """Direct children of a process. Source: proc(5), /proc/PID/task/TID/children."""
    try:
        text = (PROC / str(pid) / "task" / str(pid) / "children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def environment_of(pid: int) -> dict[str, str]:
    """The environment a process was started with; empty when it can't be seen."""
    try:
        data = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition("=") for item in data.decode(errors="surrogateescape").split("\0") if item)
    return {name: value for name, _, value in pairs}
