"""Layers → one folder, without root and without trusting what the layers say.

Nothing is ever written outside of the folder: parents are resolved inside it the way a chroot would, and a
path or link that leads out is refused. Whiteouts are those of
https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts. Owners, extended attributes and
set-id bits are not applied; device nodes and fifos are refused.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path

from aac_plugins.oci.archive import Archive, open_layer
from aac_plugins.oci.documents import read_config
from aac_tasks.contracts.image import ImageConfig, Layer, StoredImage
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_MAX_LINKS = 40  # as the kernel's limit on symbolic links in one path


def open_image(image: StoredImage, blobs: BlobStore) -> ImageConfig:
    """How to run ``image``, read from its configuration in the store."""
    return read_config(image.config, blobs)


def unpack(layers: Iterable[Layer], blobs: BlobStore, root: Path, *, owners: dict[str, tuple[int, int]] | None = None) -> None:
    """Unpack ``layers``, lowest first, into ``root``: an empty folder, or one that is not there yet.

    Modes are kept (not set-id), dates too. ``owners``, when given, receives path → (uid, gid) of everything
    that is not root's. StepError names layer and member; what was unpacked until then stays behind, for the
    caller to remove.
    """
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise StepError(f"{root.name} is not empty, and layers are unpacked into empty folders only")
    tree = _Tree(Path(os.path.realpath(root)), {} if owners is None else owners)
    for layer in layers:
        with open_layer(layer, blobs) as archive:
            tree.apply(archive, f"layer {layer.name or layer.blob.digest}")
    tree.close()


def lay_over(root: Path, archive: Path, gone: Iterable[str], *, owners: dict[str, tuple[int, int]]) -> None:
    """Change what was unpacked into ``root``, which nobody may use meanwhile: remove ``gone``, lay a tar's members over the rest.

    ``owners`` as for `unpack`. Members have no whiteouts.
    """
    tree = _Tree(Path(os.path.realpath(root)), owners)
    tree.remove(gone)
    with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
        tree.apply(Archive(tar, "changes"), "changes")
    tree.close()


class _Tree:
    """The folder while it fills. Folders stay writable until ``close`` gives them their modes and dates."""

    def __init__(self, root: Path, owners: dict[str, tuple[int, int]]) -> None:
        self._root = str(root)
        self._owners = owners
        self._folders: dict[str, tuple[int, int]] = {}
        self._known: set[str] = {self._root}
        self._fresh: set[str] = set()
        self._where = ""

    def apply(self, archive: Archive, layer: str) -> None:
        """Lay one layer over what is there."""
        self._fresh = {self._root}
        for member in archive:
            self._where = f"{layer}: {member.name}"
            try:
                self._place(member, archive)
            except OSError as error:
                raise self._refuse(f"can't be written: {error.strerror or error}") from error
            except ValueError as error:  # a NUL in a path
                raise self._refuse(f"can't be written: {error}") from error

    def remove(self, paths: Iterable[str]) -> None:
        """Remove what is at each path; behind a link that took a folder's place, nothing is."""
        for path in paths:
            *parts, name = self._parts(path)
            parent = Path(self._root, *parts)
            if parent.is_dir() and Path(os.path.realpath(parent)) == parent:
                self._clear(f"{parent}/{name}")

    def close(self) -> None:
        """Give folders their modes and dates, deepest first."""
        for path, (mode, date) in sorted(self._folders.items(), reverse=True):
            os.utime(path, ns=(date, date))
            Path(path).chmod(mode)

    def _place(self, member: tarfile.TarInfo, archive: Archive) -> None:
        parts = self._parts(member.name)
        if not parts:
            if member.isdir():
                self._folders[self._root] = _mode(member), _date(member)
            return
        parent = self._resolve(parts[:-1])
        if parts[-1].startswith(WHITEOUT):
            self._whiteout(parent, parts[-1])
            return
        path = f"{parent}/{parts[-1]}"
        self._mark(path)
        if member.isdir():
            self._folder(path, member)
        else:
            self._clear(path)
            self._create(path, member, archive)
        self._own(path, member)

    def _own(self, path: str, member: tarfile.TarInfo) -> None:
        name = path[len(self._root) + 1 :]
        self._owners.pop(name, None)
        if member.uid or member.gid:
            self._owners[name] = member.uid, member.gid

    def _create(self, path: str, member: tarfile.TarInfo, archive: Archive) -> None:
        if member.isreg():
            self._file(path, member, archive)
        elif member.issym():
            os.symlink(member.linkname, path)  # noqa: PTH211  # text paths: a root has thousands of members
            os.utime(path, ns=(_date(member), _date(member)), follow_symlinks=False)
        elif member.islnk():
            self._hard_link(path, member)
        else:
            raise self._refuse("is a device node or a fifo, which an agent's image can't need")

    def _file(self, path: str, member: tarfile.TarInfo, archive: Archive) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags, 0o600)
        try:
            for piece in archive.read(member):
                _write(handle, piece)
            os.fchmod(handle, _mode(member))
            os.utime(handle, ns=(_date(member), _date(member)))
        finally:
            os.close(handle)

    def _hard_link(self, path: str, member: tarfile.TarInfo) -> None:
        parts = self._parts(member.linkname, f"is a hard link to {member.linkname!r}, which ")
        source = f"{self._resolve(parts[:-1])}/{parts[-1]}" if parts else self._root
        kind = _kind(source)
        if kind is None or not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
            raise self._refuse(f"is a hard link to {member.linkname!r}, which is no file of the image")
        os.link(source, path, follow_symlinks=False)

    def _folder(self, path: str, member: tarfile.TarInfo) -> None:
        kind = _kind(path)
        if kind is None or not stat.S_ISDIR(kind):
            self._clear(path)
            Path(path).mkdir(mode=0o700)
        self._known.add(path)
        self._folders[path] = _mode(member), _date(member)

    def _parts(self, name: str, what: str = "") -> list[str]:
        """A member's path in parts; StepError for an absolute one and for ``..``, said after ``what``."""
        if name.startswith("/"):
            raise self._refuse(f"{what}is an absolute path")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self._refuse(f"{what}leads out of the image")
        return parts

    def _resolve(self, parts: list[str]) -> str:
        """The real folder below the root that these parts name; made where it is missing."""
        path = "/".join((self._root, *parts))
        if path in self._known:
            return path
        todo, path, links = parts[::-1], self._root, 0
        while todo:
            part = todo.pop()
            if part == "..":
                path = self._up(path)
                continue
            path = f"{path}/{part}"
            kind = None if path in self._known else _kind(path)
            if kind is not None and stat.S_ISLNK(kind):
                links += 1
                path, todo = self._follow(path, todo, links)
            elif path not in self._known:
                self._parent(path, kind)
        return path

    def _follow(self, path: str, todo: list[str], links: int) -> tuple[str, list[str]]:
        if links > _MAX_LINKS:
            raise self._refuse("lies below symbolic links that lead round in a circle")
        target = str(Path(path).readlink())
        parts = [part for part in target.split("/") if part not in ("", ".")]
        start = self._root if target.startswith("/") else path.rpartition("/")[0]
        return start, todo + parts[::-1]

    def _up(self, path: str) -> str:
        if path == self._root:
            raise self._refuse("lies below a symbolic link that leads out of the image")
        return path.rpartition("/")[0]

    def _parent(self, path: str, kind: int | None) -> None:
        """A folder that members lie in without one for itself."""
        if kind is not None and not stat.S_ISDIR(kind):
            raise self._refuse(f"lies below {path[len(self._root) + 1 :]}, which is no folder")
        if kind is None:
            Path(path).mkdir(mode=0o700)
            self._folders[path] = 0o755, 0
        self._known.add(path)

    def _mark(self, path: str) -> None:
        """Remember that ``path`` and what it lies in come from this layer: its whiteouts are not for them."""
        while path not in self._fresh:
            self._fresh.add(path)
            path = path.rpartition("/")[0]

    def _whiteout(self, parent: str, name: str) -> None:
        if name == OPAQUE:
            for child in sorted(os.listdir(parent)):  # noqa: PTH208  # text paths, see above
                self._hide(f"{parent}/{child}")
            return
        hidden = name[len(WHITEOUT) :]
        if hidden in ("", ".", ".."):
            raise self._refuse("is a whiteout of nothing")
        if not hidden.startswith(WHITEOUT):  # .wh..wh.plnk and the like are notes of aufs to itself
            self._hide(f"{parent}/{hidden}")

    def _hide(self, path: str) -> None:
        """Remove what lower layers put there; what this layer put there stays."""
        if path not in self._fresh:
            self._clear(path)
            return
        kind = _kind(path)
        if kind is not None and stat.S_ISDIR(kind):
            for child in sorted(os.listdir(path)):  # noqa: PTH208
                self._hide(f"{path}/{child}")

    def _clear(self, path: str) -> None:
        """Make room at ``path``, whatever is there."""
        kind = _kind(path)
        if kind is None:
            return
        self._owners.pop(path[len(self._root) + 1 :], None)
        if not stat.S_ISDIR(kind):
            os.unlink(path)  # noqa: PTH108
            return
        shutil.rmtree(path)
        for below in [p for p in self._folders if p == path or p.startswith(f"{path}/")]:
            del self._folders[below]
        self._known = {p for p in self._known if p != path and not p.startswith(f"{path}/")}

    def _refuse(self, why: str) -> StepError:
        return StepError(f"{self._where} {why}", hint="no honest tool writes such a layer: take another base image")


def _mode(member: tarfile.TarInfo) -> int:
    """Permission bits; of the special ones only a folder's sticky bit (``/tmp``)."""
    return member.mode & (0o1777 if member.isdir() else 0o777)


def _date(member: tarfile.TarInfo) -> int:
    return int(member.mtime) * 1_000_000_000


def _kind(path: str) -> int | None:
    """The type bits of what is at ``path`` itself, None when nothing is."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
