"""uv's cache in ours: shared by every run of the user, and cleared of what a uv that was killed left half-written."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from aac_tasks.contracts.tools import Tools


@contextlib.contextmanager
def uv_cache(tools: Tools) -> Iterator[Path]:
    """The folder, held (flock(2), shared) while uv works in it.

    uv writes below ``.tmp…`` and renames; a uv that was killed leaves such names behind. Who finds nobody else at work
    removes them.
    """
    folder = tools.cache / "uv"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in folder.glob(".tmp*"):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits for somebody's clearing at most
        yield folder
    finally:
        os.close(descriptor)
