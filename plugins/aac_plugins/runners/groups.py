"""Control groups that runc or crun made as root and that nobody removes when they are killed while they start.

They carry the container's name, below our own group in every hierarchy (cgroups(7), version 1 and 2).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from aac_tasks.contracts.tools import Tools

CGROUPS = Path("/sys/fs/cgroup")
PATIENCE = 2.0
"""Seconds for the last process of a group to be gone."""


def remove_groups(name: str, tools: Tools) -> None:
    """Remove the groups of a container that was deleted; one that still has a process stays."""
    tools.wait_until(lambda: all(_removed(place / name) for place in _places()), timeout=PATIENCE, every=0.01)


def sweep_groups(prefix: str) -> None:
    """Remove groups called ``<prefix><pid>-…`` whose pid, that of who asked for them, runs no more."""
    for group in [group for place in _places() for group in place.glob(f"{prefix}*")]:
        pid = group.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _removed(group)


def _places() -> Iterator[Path]:
    """Our own group, and the top, of each hierarchy."""
    with contextlib.suppress(OSError):
        owns = {line.split(":", 2)[2].strip("/") for line in Path("/proc/self/cgroup").read_text().splitlines()}
        tops = (CGROUPS, *(entry for entry in CGROUPS.iterdir() if entry.is_dir()))
        yield from (top / own for top in tops for own in sorted({"", *owns}))


def _removed(group: Path) -> bool:
    try:
        group.rmdir()  # refused while it has processes or groups of its own
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
