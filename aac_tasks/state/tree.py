"""A tree on disk → a snapshot: sorted paths, contents, the executable bit, link targets; nothing else."""

from __future__ import annotations

import hashlib
import os
import stat as st
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.contracts.context import ContextFile, Snapshot
from aac_tasks.contracts.plan import TreeRequest
from aac_tasks.errors import StepError
from aac_tasks.state.digests import FileDigests
from aac_tasks.state.ignore import IgnoreRules
from aac_tasks.state.watch import describe


@dataclass(frozen=True)
class Look:
    """How a tree is walked. ``seen`` receives each path's identity as it was just before it was read."""

    rules: IgnoreRules
    digests: FileDigests
    seen: dict[str, str]


def snapshot(root: Path, request: TreeRequest, digests: FileDigests, seen: dict[str, str] | None = None) -> Snapshot:
    """Everything that ``request`` names, below the state root ``root``; ``seen`` is filled (path → identity).

    Raises:
        StepError: a file can't be read, is a device, or is a link that leaves the tree.
    """
    top = root / request.root if request.root else root
    look = Look(IgnoreRules(request.ignore), digests, {} if seen is None else seen)
    found = sorted(_walk(top, "", look), key=lambda f: f.path.encode("utf-8", "surrogateescape"))
    only = request.only
    files = tuple(f for f in found if not only or any(f.path == o or f.path.startswith(f"{o}/") for o in only))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.content}\0".encode("utf-8", "surrogateescape"))
    return Snapshot(digest.hexdigest(), files)


def _walk(folder: Path, prefix: str, look: Look) -> Iterator[ContextFile]:
    try:
        look.seen[str(folder)] = describe(folder.stat())
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError as error:
        raise StepError(
            f"{folder} can't be read: {error.strerror}", hint="make it readable, or list it in .dockerignore"
        ) from error
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _folder(entry, path, look)
        elif not look.rules.ignores(path):
            yield _file(entry, path, look)


def _folder(entry: os.DirEntry[str], path: str, look: Look) -> Iterator[ContextFile]:
    if look.rules.prunes(path):
        return
    empty = True
    for file in _walk(Path(entry.path), f"{path}/", look):
        empty = False
        yield file
    if empty and not look.rules.ignores(path):
        yield ContextFile(path, "dir", Path(entry.path))


def _file(entry: os.DirEntry[str], path: str, look: Look) -> ContextFile:
    source = Path(entry.path)
    try:
        stat = entry.stat(follow_symlinks=False)
        if st.S_ISLNK(stat.st_mode):
            return ContextFile(path, "link", source, target=_inside(path, str(source.readlink())))
        if not st.S_ISREG(stat.st_mode):
            raise StepError(
                f"{source} is neither a file, a folder nor a link",
                hint="remove it, or list it in .dockerignore",
            )
        look.seen[entry.path] = describe(stat)  # not of links: relinking changes the folder, and fast.py follows them
        executable = bool(stat.st_mode & st.S_IXUSR)
        return ContextFile(path, "file", source, executable, "", stat.st_size, look.digests.sha256(source, stat))
    except OSError as error:
        raise StepError(
            f"{source} can't be read: {error.strerror}", hint="make it readable, or list it in .dockerignore"
        ) from error


def _inside(path: str, target: str) -> str:
    """A link's target, refused when it is absolute or leads out of the tree."""
    folder = path.rpartition("/")[0]
    where = os.path.normpath(f"{folder}/{target}" if folder else target)
    if target.startswith("/") or where == ".." or where.startswith("../"):
        raise StepError(
            f"link {path} → {target} leads out of the build context",
            hint="point it inside the folder, copy the file in, or list it in .dockerignore",
        )
    return target
