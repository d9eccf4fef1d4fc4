"""A tree on disk → a snapshot: sorted paths, contents, the executable bit, link targets; nothing else."""

from __future__ import annotations

import hashlib
import os
import stat as st
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aac_tasks.contracts.context import ContextFile, Snapshot
from aac_tasks.contracts.plan import TreeRequest
from aac_tasks.errors import StepError
from aac_tasks.state.digests import FileDigests
from aac_tasks.state.ignore import IgnoreRules
from aac_tasks.state.watch import describe


@dataclass(frozen=True)
class Look:
    """How a tree is walked. ``seen`` receives each path's identity as it was just before it was read; ``caches`` are absolute,
    as are ``written``, files of ours and their identities (see `saved`).
    """

    rules: IgnoreRules
    digests: FileDigests
    seen: dict[str, str]
    caches: frozenset[str] = frozenset()
    written: Mapping[str, str] = field(default_factory=dict)

    def leaves_out(self, entry: os.DirEntry[str], path: str) -> bool:
        """Whether a file is none of the tree's."""
        if self.rules.ignores(path):
            return True
        if entry.path not in self.written:
            return False
        known, now = self.written[entry.path], describe(entry.stat(follow_symlinks=False))
        if known == now:
            self.seen[entry.path] = now  # another file of that name would be one of the tree's
        return known in ("", now)


def snapshot(
    root: Path,
    request: TreeRequest,
    digests: FileDigests,
    seen: dict[str, str] | None = None,
    caches: frozenset[str] = frozenset(),
    written: Mapping[str, str] | None = None,
) -> Snapshot:
    """Everything that ``request`` names, below the state root ``root``; ``seen`` is filled (path → identity), ``written``
    is left out.

    Raises:
        StepError: a file can't be read, is a device, has no readable name, or is a link that leaves the tree; or one of the
            ``caches`` (absolute paths) is in the tree, which would grow with every image of it.
    """
    top = root / request.root if request.root else root
    look = Look(IgnoreRules(request.ignore), digests, {} if seen is None else seen, caches, written or {})
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
        elif not look.leaves_out(entry, path):
            yield _file(entry, path, look)


def _folder(entry: os.DirEntry[str], path: str, look: Look) -> Iterator[ContextFile]:
    if look.rules.prunes(path):
        return
    if entry.path in look.caches:
        raise StepError(
            f"{entry.path} is a cache of builds, and part of what is built",
            hint=f"list {path} in .dockerignore, or keep it elsewhere (AAC_CACHE_DIR, [tool.aac.cache] place)",
        )
    empty = True
    for file in _walk(Path(entry.path), f"{path}/", look):
        empty = False
        yield file
    if empty and not look.rules.ignores(path):
        yield ContextFile(path, "dir", Path(entry.path))


def _file(entry: os.DirEntry[str], path: str, look: Look) -> ContextFile:
    source = Path(entry.path)
    if not _is_text(path):
        hint = "rename it, or list it in .dockerignore"
        raise StepError(f"{path!a} is no name in UTF-8, which an image's files have", hint=hint)
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


def _is_text(path: str) -> bool:
    """Bytes that are no UTF-8 are surrogates in Python's names."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


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
