"""The files of an image, read from its layers without unpacking them.

Whiteouts as in https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, cast

from aac_tasks.contracts.image import Layer
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
GZIP = b"\x1f\x8b"
LINKS = 40
LARGEST = 64 * 1024 * 1024
"""Bytes of a file that are looked through at most."""

PIECE = 1 << 20

_BROKEN = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, OSError)


@dataclass(frozen=True)
class ImageFile:
    """One entry. ``type``: file, dir, link or other; ``mode`` holds the permission bits; ``layer`` counts from below."""

    path: str
    type: str
    mode: int
    target: str
    layer: int


class ImageFiles:
    """An index of everything in an image; made by reading each layer's headers once."""

    def __init__(self, layers: tuple[Layer, ...], blobs: BlobStore) -> None:
        self._layers = layers
        self._blobs = blobs
        self._entries: dict[str, ImageFile] = {}
        for number in range(len(layers)):
            self._index(number)

    def find(self, path: str, *, follow: bool = True) -> ImageFile | None:
        """What is at an absolute path; links on the way are followed, the last one only if ``follow``."""
        todo = list(reversed(PurePosixPath(path).parts[1:]))
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            entry = self._entries.get("/".join([*done, part]))
            if entry is None or entry.type != "link" or (not todo and not follow):
                done.append(part)
                continue
            links += 1
            if links > LINKS:
                return None
            target = PurePosixPath(entry.target)
            done = [] if target.is_absolute() else done
            todo.extend(reversed([p for p in target.parts if p != "/"]))
        return self._entries.get("/".join(done))

    def text(self, file: ImageFile) -> str:
        """A file's text (of a hard link, what it names); empty for what is no file."""
        name = file.target if file.type == "file" and file.target else file.path
        with opened(self._layers[file.layer], self._blobs) as tar:
            for member in tar:
                if name_of(member.name) == name and member.isreg():
                    source = tar.extractfile(member)
                    return source.read(LARGEST).decode("utf-8", "replace") if source else ""
        return ""

    def _index(self, number: int) -> None:
        fresh: dict[str, ImageFile] = {}
        gone: list[str] = []
        with opened(self._layers[number], self._blobs) as tar:
            for member in tar:
                path = name_of(member.name)
                name = path.rpartition("/")[2]
                if name == OPAQUE:
                    gone.append(path.rpartition("/")[0] + "/")
                elif name.startswith(WHITEOUT):
                    hidden = path[: -len(name)] + name[len(WHITEOUT) :]
                    gone += [hidden, f"{hidden}/"]
                elif path:
                    target = name_of(member.linkname) if member.islnk() else member.linkname
                    fresh[path] = ImageFile(path, _type(member), member.mode & 0o7777, target, number)
        for hidden in gone:
            self._hide(hidden)
        self._entries.update(fresh)

    def _hide(self, hidden: str) -> None:
        """Forget lower layers' entry at a path, or everything below it (a path that ends in ``/``)."""
        for path in [p for p in self._entries if p == hidden or (hidden.endswith("/") and p.startswith(hidden))]:
            del self._entries[path]


@contextmanager
def opened(layer: Layer, blobs: BlobStore) -> Iterator[tarfile.TarFile]:
    """A layer's members, once and in order; StepError when it is broken."""
    with _plain(layer, blobs) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
        yield tar


@contextmanager
def unpacked(layer: Layer, blobs: BlobStore) -> Iterator[tarfile.TarFile]:
    """A layer's members in any order and as often as one likes: its tar is a file meanwhile. StepError when it is broken."""
    with _plain(layer, blobs) as plain, tempfile.TemporaryFile() as file:
        shutil.copyfileobj(plain, file, PIECE)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            yield tar


@contextmanager
def _plain(layer: Layer, blobs: BlobStore) -> Iterator[IO[bytes]]:
    try:
        with blobs.open(layer.blob.digest) as file:
            # tarfile's own gzip stops after the first member of a file, and a layer may have many.
            packed = file.read(2) == GZIP
            file.seek(0)
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
    except _BROKEN as error:
        raise StepError(f"layer {layer.name or layer.blob.digest} can't be read: {error}") from error


def name_of(path: str) -> str:
    """A member's path as everything here has it: relative, without ``.``."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _type(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "dir"
    if member.issym():
        return "link"
    return "file" if member.isreg() or member.islnk() else "other"
