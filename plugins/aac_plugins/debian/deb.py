"""Binary packages: an ar archive of two tar archives (deb(5)), read as a stream and never trusted.

A package's tar is unpacked to one file on disk; members are ranges of it. So memory stays flat, whatever a
package holds, and a root of thousands of files needs one scratch file per package.
"""

from __future__ import annotations

import gzip
import importlib
import io
import lzma
import posixpath
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from aac_tasks.errors import StepError

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60
_CONTROL_LIMIT = 1 << 20
_SPECIAL = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe"}
_COPY = 1 << 20

MemberType = Literal["file", "dir", "symlink", "hardlink"]


@dataclass(frozen=True)
class Member:
    """One file of a package. ``path`` is relative and clean, ``mode`` as packaged.

    ``target`` of a hard link is a path like ``path``, of a symbolic link its text. ``offset`` and ``size``
    (bytes) are its place in ``tar``.
    """

    path: str
    type: MemberType
    mode: int
    mtime: int
    target: str = ""
    tar: Path = Path()
    offset: int = 0
    size: int = 0

    def open(self) -> IO[bytes]:
        """Its bytes."""
        return cast("IO[bytes]", io.BufferedReader(_Range(self.tar, self.offset, self.size), _COPY))


class _Range(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._file.seek(offset)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))[: self._left]
        count = self._file.readinto(view) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True)
class Package:
    """An opened package: its control paragraph, and its files in the tar ``data``."""

    name: str
    control: str
    data: Path

    def members(self) -> Iterator[Member]:
        """Its files, each checked; StepError for what has no place in an image."""
        try:
            with tarfile.open(self.data, "r:") as tar:
                yield from filter(None, map(self._member, tar))
        except tarfile.TarError as error:
            raise StepError(f"package {self.name}: can't be unpacked: {error}") from error

    def _member(self, info: tarfile.TarInfo) -> Member | None:
        path = self._clean(info.name, info.name)
        if not path:
            return None  # the root itself
        kind = self._type(info)
        target = ""
        if kind == "symlink":
            target = self._link(path, info.linkname)
        elif kind == "hardlink":
            target = self._clean(info.linkname, info.name)
        size = info.size if kind == "file" else 0
        return Member(path, kind, info.mode, int(info.mtime), target, self.data, info.offset_data, size)

    def _type(self, info: tarfile.TarInfo) -> MemberType:
        if info.isreg() and not info.issparse():
            return "file"
        if info.isdir():
            return "dir"
        if info.issym():
            return "symlink"
        if info.islnk():
            return "hardlink"
        kind = _SPECIAL.get(info.type, f"of type {info.type!r}")
        raise StepError(f"package {self.name}: {info.name} is {kind}; images hold files, folders and links")

    def _clean(self, path: str, member: str) -> str:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if path.startswith("/") or ".." in parts or "\0" in path:
            raise StepError(f"package {self.name}: {member!r} points outside of the image ({path!r}); it is not unpacked")
        return "/".join(parts)

    def _link(self, path: str, target: str) -> str:
        """A relative link may not climb above the root: without a chroot it would lead into the host."""
        end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if not target or end == ".." or end.startswith("../"):
            raise StepError(f"package {self.name}: link {path!r} points outside of the image ({target!r})")
        return target


def open_package(name: str, deb: Path, folder: Path) -> Package:
    """Unpack the two tars of ``deb`` into ``folder`` (one per package)."""
    try:
        parts = _parts(deb)
        control = _unpack(name, deb, parts, "control.tar", folder)
        text = _control_text(name, control)
        return Package(name, text, _unpack(name, deb, parts, "data.tar", folder))
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError, ValueError) as error:
        raise StepError(f"package {name}: can't be unpacked: {error}") from error


def _parts(deb: Path) -> dict[str, tuple[int, int]]:
    """Member name → (offset, size) of an ar archive (ar(5), the common format)."""
    found: dict[str, tuple[int, int]] = {}
    with deb.open("rb") as file:
        if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
            raise ValueError("not an ar archive")
        at = len(_AR_MAGIC)
        while len(header := file.read(_AR_HEADER)) == _AR_HEADER:
            size = int(header[48:58])
            at += _AR_HEADER
            found[header[:16].decode("ascii", "replace").strip().rstrip("/")] = (at, size)
            at += size + size % 2
            file.seek(at)
    return found


def _unpack(name: str, deb: Path, parts: dict[str, tuple[int, int]], stem: str, folder: Path) -> Path:
    packed = next((part for part in parts if part == stem or part.startswith(f"{stem}.")), None)
    if packed is None:
        raise StepError(f"package {name}: has no {stem}; not a Debian package")
    target = folder / stem
    with (
        io.BufferedReader(_Range(deb, *parts[packed])) as source,
        _decompressed(name, cast("IO[bytes]", source), packed.removeprefix(stem)) as plain,
        target.open("wb") as out,
    ):
        shutil.copyfileobj(plain, out, _COPY)
    return target


def _decompressed(name: str, source: IO[bytes], suffix: str) -> IO[bytes]:
    if suffix == ".xz":
        return cast("IO[bytes]", lzma.open(source))
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.open(source))
    if suffix == "":
        return source
    if suffix == ".zst":
        try:
            # In the standard library since Python 3.14 (PEP 784).
            return cast("IO[bytes]", importlib.import_module("compression.zstd").open(source))
        except ImportError as error:
            raise StepError(
                f"package {name}: is compressed with zstd, which this Python can't read",
                hint="run with Python 3.14 or newer; Debian's own packages use xz",
            ) from error
    raise StepError(f"package {name}: is compressed in an unknown way ({suffix})")


def _control_text(name: str, control: Path) -> str:
    with tarfile.open(control, "r:") as tar:
        for info in tar:
            if info.name.removeprefix("./") == "control" and info.isreg() and info.size <= _CONTROL_LIMIT:
                file = tar.extractfile(info)
                return file.read().decode("utf-8", "replace") if file else ""
    raise StepError(f"package {name}: has no control file; not a Debian package")
