"""The workspaces of a user: ``workspaces`` in their cache lists the state root of each that has an image."""

from __future__ import annotations

from pathlib import Path

from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import exclusively, read_sealed, seal
from aac_tasks.state.temporaries import NAME as TMP
from aac_tasks.state.temporaries import made

FILE = "workspaces"


def enlist(cache: Path, root: Path) -> None:
    """Have the other workspaces of the user know of this one."""
    if root in listed(cache):
        return
    with exclusively(made(cache)):
        every = sorted({*map(str, listed(cache)), str(root)})
        write_atomically(cache / FILE, seal(every), made(cache / TMP))


def listed(cache: Path) -> list[Path]:
    """All that were enlisted, gone or not; a torn list is as good as none."""
    try:
        value = read_sealed(cache / FILE)
    except (OSError, ValueError):
        return []
    return [Path(str(path)) for path in value] if isinstance(value, list) else []
