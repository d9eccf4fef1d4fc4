"""Paths of an image, seen from outside its root."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path, PurePosixPath

from aac_tasks.errors import StepError

LINKS = 40
"""How many links a path may pass through (Linux's own limit, path_resolution(7))."""


def resolve_in(root: Path, path: str) -> Path:
    """The place of image path ``path`` below ``root``, with links followed as if ``root`` were ``/``.

    Parts that do not exist are kept as they are. The answer never lies outside ``root``.

    Raises:
        StepError: the links go in a circle.
    """
    done: list[str] = []
    todo = list(reversed(PurePosixPath("/", path).parts[1:]))
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            done = done[:-1]
            continue
        place = root.joinpath(*done, part)
        if not place.is_symlink():
            done.append(part)
            continue
        links += 1
        if links > LINKS:
            raise StepError(f"{path} in the image passes through too many links")
        target = PurePosixPath(place.readlink())
        if target.is_absolute():
            done = []
        todo.extend(reversed([p for p in target.parts if p != "/"]))
    return root.joinpath(*done)


def remove_tree(folder: Path) -> None:
    """Remove a folder whatever the modes inside; nothing happens when it is gone.

    Raises:
        StepError: something inside can't be removed.
    """
    if not folder.is_dir():
        return
    for place, folders, _ in os.walk(folder):
        for name in (place, *(f"{place}/{f}" for f in folders)):
            _open_up(Path(name))
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StepError(f"can't remove {folder}: {error.strerror}", hint="remove it by hand") from error


def remove(path: Path) -> None:
    """Remove a file, link or folder; nothing happens when it is gone.

    Raises:
        StepError: it can't be removed.
    """
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def _open_up(folder: Path) -> None:
    mode = folder.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU and folder.stat().st_uid == os.geteuid():
        folder.chmod(mode | stat.S_IRWXU)


def is_open_to_all(folder: Path) -> bool:
    """Whether any user may pass through ``folder`` and every folder above it."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))
