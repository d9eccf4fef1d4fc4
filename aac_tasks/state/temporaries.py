"""Names for what is still being written, in a folder of its own, so that nobody takes it for whole or for a source file.

A name begins with the pid of who writes: what a killed process left there is found and removed by a later run.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from pathlib import Path

NAME = "tmp"
"""The folder, below the state folder and below the user's cache."""


def new_name(folder: Path) -> Path:
    """A name that nobody has, in ``folder``, which is made."""
    return made(folder) / unused()


def unused() -> str:
    """A name that nobody has: containers that share a folder may have the same pid."""
    return f"{(pid := os.getpid())}-{_token(pid)}-{next(_count)}"


@functools.cache
def _token(_pid: int) -> str:
    return os.urandom(8).hex()


_count = itertools.count()


def made(folder: Path) -> Path:
    """The folder, which is made where it is missing: a stat finds most of those that a run asks for."""
    if not os.path.isdir(folder):  # noqa: PTH112  # thousands of these
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def sweep(folder: Path) -> None:
    """Remove what killed processes left."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  # for each step of another machine
    except OSError:  # there is none
        return
    for name in names:
        pid = name.partition("-")[0]
        if pid.isdigit() and not _running(int(pid)):
            remove(folder / name)


def remove(path: Path) -> None:
    """Remove a file or tree; folders that an agent made unreadable are opened first."""
    if path.is_dir() and not path.is_symlink():
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                Path(folder).chmod(0o700)
        import shutil  # lazy: brings every compressor there is

        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
