"""Ports of runners that share the host's network: which one the agent gets, and who has it when it is taken.

Such a runner can't translate ports: the agent listens where it listens.

* A mapping without a host port gets the container's own port when that is free. When it is taken, the *first*
  tcp port moves to a free one, and the agent is told so by the environment variable ``PORT``.
* A mapping with another host port moves in the same way; a host port that is asked for and taken is an error.
* ``PORT`` is set only when the port moved. An agent that does not look at it can't be moved: its second port,
  or a fixed one, that is taken is an error that names who has it.

A port that was given out stays held until it is released or this process ends, so agents that are tested at the same
time do not get the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aac_tasks.contracts.actions import PortMapping
from aac_tasks.contracts.running import Instance
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

LOOPBACK = "127.0.0.1"
TRIES = 20


@dataclass(frozen=True)
class Ports:
    """``published`` maps ``8080/tcp`` → host port; ``env`` is empty or holds ``PORT``."""

    published: Mapping[str, int] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


def assign(mappings: tuple[PortMapping, ...], name: str, tools: Tools) -> Ports:
    """A host port for every mapping, reserved until `release`.

    Raises:
        StepError: a port that can't move is taken; says by whom where that can be found out.
    """
    published: dict[str, int] = {}
    env: dict[str, str] = {}
    try:
        for mapping in mappings:
            movable = mapping.protocol == "tcp" and not env and not published
            port = _choose(mapping, movable, name, tools)
            published[f"{mapping.container}/{mapping.protocol}"] = port
            if port != mapping.container:
                env["PORT"] = str(port)
    except StepError:
        release(published, tools)
        raise
    return Ports(published, env)


def kept(instance: Instance) -> Ports:
    """Those that an instance has, which it keeps."""
    moved = next((port for name, port in instance.ports.items() if name.partition("/")[0] != str(port)), 0)
    return Ports(instance.ports, {"PORT": str(moved)} if moved else {})


def release(published: Mapping[str, int], tools: Tools) -> None:
    """Give held ports back."""
    for port in published.values():
        tools.let_go_of_port(port)


def _choose(mapping: PortMapping, movable: bool, name: str, tools: Tools) -> int:
    wanted = mapping.host or mapping.container
    if wanted != mapping.container and not movable:
        raise StepError(
            f"{name}: port {mapping.container} can't become {wanted} without a network of its own",
            hint="only the first tcp port moves, through PORT; run with docker or podman, or drop `host:`",
        )
    if _reserve(wanted, tools):
        return wanted
    holder = holder_of(wanted)
    if mapping.host or not movable:
        raise StepError(
            f"{name}: port {wanted} is taken by {holder or 'another process'}",
            hint="stop it, or give the agent another port in spec.ports",
        )
    for _ in range(TRIES):
        port = tools.free_port()
        if _reserve(port, tools):
            tools.note(f"port {wanted} is taken by {holder or 'another process'}; {name} is told PORT={port}")
            return port
    raise StepError(f"{name}: no free port on {LOOPBACK}")


def _reserve(port: int, tools: Tools) -> bool:
    if not tools.hold_port(port):
        return False
    if tools.connects(LOOPBACK, port, 0.2):
        tools.let_go_of_port(port)
        return False
    return True


def holder_of(port: int, proc: Path = Path("/proc")) -> str:
    """``nginx (pid 12)`` for who listens on a tcp port; empty when that can't be seen.

    Source: proc(5), /proc/net/tcp: local address in hexadecimal, state 0A is LISTEN, tenth column the inode.
    """
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(proc / "net" / table, port)}
    if not inodes:
        return ""
    for entry in proc.iterdir():
        if entry.name.isdigit() and _holds(entry, inodes):
            return f"{(entry / 'comm').read_text().strip()} (pid {entry.name})"
    return ""


def _listening(table: Path, port: int) -> list[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in inodes for link in (process / "fd").iterdir())
    except OSError:  # it ended meanwhile, or is not ours to look at
        return False
