"""SHA-256 of working-tree files, remembered by (mtime, ctime, size, inode).

Git's racy-timestamp rule applies (https://git-scm.com/docs/racy-git): a file that was changed in the same clock
tick in which it was hashed is hashed again next time, because its times could not tell a later edit.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from aac_tasks.errors import StepError
from aac_tasks.state.blobs import hash_file
from aac_tasks.state.root import write_atomically

RACY_NS = 20_000_000
"""Coarsest clock tick of the file systems we know that have sub-second times (a jiffy of 10 ms), doubled."""

Identity = tuple[int, int, int, int]


def identity(stat: os.stat_result) -> Identity:
    """What must be equal for a file to be believed unchanged."""
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)


def is_racy(stat: os.stat_result, now_ns: int) -> bool:
    """Whether a later edit could leave this very identity."""
    newest = max(stat.st_mtime_ns, stat.st_ctime_ns)
    coarse = newest % 1_000_000_000 == 0  # a file system with whole seconds
    return newest > now_ns - (2_000_000_000 if coarse else RACY_NS)


class FileDigests:
    """A table of digests in one JSON file; a torn or missing one only costs hashing again."""

    def __init__(self, path: Path, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock = clock_ns
        self._table = _load(path)
        self._dirty = False
        self.hashed = 0

    def sha256(self, path: Path, stat: os.stat_result) -> str:
        """The file's digest: 64 hexadecimal digits. ``stat`` was taken before calling."""
        name = str(path)
        known = self._table.get(name)
        ident = identity(stat)
        if known is not None and tuple(known[:4]) == ident:
            return str(known[4])
        started = self._clock()
        digest = hash_file(path).hex
        self.hashed += 1
        self._dirty = True
        if is_racy(stat, started):
            self._table.pop(name, None)
        else:
            self._table[name] = [*ident, digest]
        return digest

    def save(self) -> None:
        """Write the table when it changed, and the disk lets us."""
        if self._dirty:
            with contextlib.suppress(OSError, StepError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, json.dumps(self._table, separators=(",", ":")).encode())
            self._dirty = False


def _load(path: Path) -> dict[str, list[int | str]]:
    try:
        table = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}
