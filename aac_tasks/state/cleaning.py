"""How large the user's cache is, whether it is whole, and making it smaller: what was not used for longest goes first."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.state.action_cache import check
from aac_tasks.state.blobs import hash_file, memo_in

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
OURS = ("blobs", "memos", "actions")
"""Folders whose files stand alone. Any other is a tool's (uv, npm …), removed whole or not at all."""

VERIFIED = OURS
"""Those whose files say themselves whether they are whole."""


@dataclass(frozen=True)
class Part:
    """One folder of the cache; ``size`` in bytes."""

    name: str
    files: int
    size: int


@dataclass(frozen=True)
class Pruned:
    """What was removed and what is left, in bytes."""

    files: int
    freed: int
    left: int


@dataclass(frozen=True)
class Checked:
    """How many files were read, and what was wrong with some: path below the cache → why. Those are removed."""

    files: int
    damaged: Mapping[str, str]


@dataclass(frozen=True)
class _File:
    path: Path
    used: float
    size: int


def parse_size(text: str) -> int:
    """``500MB``, ``2GiB``, ``0``: bytes; ValueError says what would be accepted."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size; expected a number with kB, MB, GB, KiB, MiB or GiB, as in 5GB")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** (" kmgt".index(found[2].lower() or " ")))


def stats(cache: Path) -> tuple[Part, ...]:
    """Each folder of the cache, by name."""
    return tuple(_part(folder) for folder in _folders(cache))


def prune(cache: Path, limit: int) -> Pruned:
    """Remove until at most ``limit`` bytes are left: first files of ours, then whole caches of tools."""
    parts = {folder.name: _part(folder) for folder in _folders(cache)}
    left, removed, freed = sum(p.size for p in parts.values()), 0, 0
    files = [file for name in OURS for file in _files(cache / name)]
    for file in sorted(files, key=lambda f: f.used):
        if left <= limit:
            break
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            file.path.unlink()
            left, freed, removed = left - file.size, freed + file.size, removed + 1
    for part in sorted(parts.values(), key=lambda p: p.size):
        if left > limit and part.size and part.name not in OURS and part.name != "tmp":
            shutil.rmtree(cache / part.name, ignore_errors=True)
            left, freed, removed = left - part.size, freed + part.size, removed + part.files
    return Pruned(removed, freed, left)


def verify(cache: Path) -> Checked:
    """Read every blob, memo and result; remove what is not what its name or checksum says: it is made again."""
    damaged: dict[str, str] = {}
    files = [file.path for name in VERIFIED for file in _files(cache / name)]
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # pruned meanwhile
            if problem := _problem(path, cache):
                damaged[path.relative_to(cache).as_posix()] = problem
                path.unlink()
    return Checked(len(files), damaged)


def _problem(path: Path, cache: Path) -> str:
    if path.is_relative_to(cache / "blobs"):
        return "" if hash_file(path).hex == path.name else "its bytes hash to something else"
    if path.is_relative_to(cache / "memos"):
        return "" if memo_in(path) is not None else "checksum does not fit"
    return check(path)


def _folders(cache: Path) -> list[Path]:
    try:
        return sorted(path for path in cache.iterdir() if path.is_dir() and not path.is_symlink())
    except FileNotFoundError:
        return []


def _part(folder: Path) -> Part:
    files = list(_files(folder))
    return Part(folder.name, len(files), sum(file.size for file in files))


def _files(folder: Path) -> Iterator[_File]:
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                stat = (path := Path(place, name)).lstat()
                yield _File(path, max(stat.st_atime, stat.st_mtime), stat.st_size)
