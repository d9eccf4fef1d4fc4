"""Reading a layer's tar, gzip or not, as a stream that is checked on the way."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from aac_plugins.oci.confirm import confirm
from aac_tasks.contracts.image import Layer
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 18
_BROKEN = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError)


class Archive:
    """One opened layer. Iterate once; ``read`` gives a file's bytes while its member is the current one."""

    def __init__(self, tar: tarfile.TarFile, what: str) -> None:
        self._tar = tar
        self._what = what

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        while (member := self._next()) is not None:
            self._tar.members = []  # type: ignore[attr-defined]  # kept by tarfile only for random access
            yield member

    def read(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """The bytes of the current member, in pieces; StepError when the archive ends before they do."""
        source = cast("IO[bytes]", self._tar.extractfile(member))
        left = member.size
        while left:
            try:
                piece = source.read(min(_CHUNK, left))
            except _BROKEN as error:
                raise _broken(self._what, error) from error
            if not piece:
                raise StepError(f"{self._what}: {member.name} is cut short")
            left -= len(piece)
            yield piece

    def _next(self) -> tarfile.TarInfo | None:
        try:
            return self._tar.next()
        except _BROKEN as error:
            raise _broken(self._what, error) from error


@contextmanager
def open_layer(layer: Layer, blobs: BlobStore) -> Iterator[Archive]:
    """Open a layer that is in the store; at the end its tar has hashed to the ``diff_id`` it should have.

    StepError for a compression that can't be read here, a broken archive, or another diff_id; where the blob was damaged after
    it was stored, that.
    """
    try:
        with _opened(layer, blobs) as archive:
            yield archive
    except StepError:
        confirm(layer.blob, blobs.path(layer.blob.digest))
        raise


@contextmanager
def _opened(layer: Layer, blobs: BlobStore) -> Iterator[Archive]:
    what = f"layer {layer.name or layer.blob.digest}"
    with blobs.open(layer.blob.digest) as file, _decompressed(file, what) as plain:
        hashed = _Hashed(plain)
        with _tar(hashed, what) as tar:
            yield Archive(tar, what)
        try:
            digest = hashed.finish()
        except _BROKEN as error:
            raise _broken(what, error) from error
    if digest != layer.diff_id:
        raise StepError(f"{what}: its tar hashes to {digest}, the configuration says {layer.diff_id}")


def _tar(source: _Hashed, what: str) -> tarfile.TarFile:
    try:
        stream = cast("IO[bytes]", source)  # tarfile's streams need nothing but read
        return tarfile.open(None, "r|", stream, _CHUNK, tarinfo=_Member, encoding="utf-8", errors="surrogateescape")
    except _BROKEN as error:
        raise _broken(what, error) from error


class _Member(tarfile.TarInfo):
    """tarfile takes a header that it can't read for the end of the archive; here it is an error."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]  # not in typeshed
            raise
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error


class _Hashed:
    """A stream's bytes and their SHA-256."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    def finish(self) -> str:
        """Read what is left (padding) and tell the digest of everything."""
        while self.read(_CHUNK):
            pass
        return f"sha256:{self._hash.hexdigest()}"


def _decompressed(file: IO[bytes], what: str) -> IO[bytes]:
    """By the first bytes, not by the media type: some registries' images have the wrong one."""
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == _GZIP:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb"))
    if magic == _ZSTD:
        return _zstd(file, what)
    return file


def _zstd(file: IO[bytes], what: str) -> IO[bytes]:
    try:
        module = importlib.import_module("compression.zstd")  # Python 3.14's own
    except ImportError as error:
        raise StepError(
            f"{what} is compressed with zstd, which this Python can't read",
            hint="use a base whose layers are gzip, or run with Python 3.14 or newer",
        ) from error
    return cast("IO[bytes]", module.ZstdFile(file))


def _broken(what: str, error: Exception) -> StepError:
    return StepError(f"{what}: broken archive: {error}")
