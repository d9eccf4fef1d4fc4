"""Entries → one gzip layer whose bytes depend on the entries alone.

The tar part: sorted by path, numeric owners only, one date for everything, PAX records only where a path
can't be said in USTAR. The gzip part: the tar is cut into pieces of 1 MiB and each becomes a gzip member of
its own (RFC 1952, 2.2: a file is a series of members; Go's and Python's readers and tar take them). The
members come from the libdeflate that the pinned package ``deflate`` bundles, because zlib, zlib-ng and their
versions differ in bytes. Memory stays at a few pieces however big a file is.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from aac_tasks.contracts.image import MEDIA_LAYER_GZIP, Digest, Layer
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from aac_tasks.contracts.tools import BlobStore

LAYER_FORMAT = 1
"""Raised when the same entries would give other bytes; part of every key that a layer is remembered under."""

PIECE = 1 << 20
"""Bytes of tar per gzip member."""

_LEVEL = 6
_WORKERS = 2  # libdeflate runs without the GIL: two threads halve the time
_TYPES = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
}


@dataclass(frozen=True)
class Entry:
    """One member of a layer.

    ``path`` is relative POSIX without a leading slash (``usr/bin/env``). ``target`` is a symbolic link's
    text, or for ``hardlink`` the path of a ``file`` of the same layer. ``data`` holds a file's bytes, or
    names the file they are in, or opens them; ``size`` in bytes is what must come out of it (``bytes`` may
    omit it).
    """

    path: str
    type: Literal["file", "dir", "symlink", "hardlink"]
    mode: int = 0o644
    size: int = 0
    target: str = ""
    data: bytes | Path | Callable[[], IO[bytes]] | None = None
    uid: int = 0
    gid: int = 0


def write_layer(entries: Iterable[Entry], blobs: BlobStore, scratch: Path, *, name: str, created: int) -> Layer:
    """Write ``entries`` as a gzip layer into the blob store.

    ``scratch`` is a folder on the store's disk; ``created`` (seconds) is every member's date. Parents that
    are not among the entries are added (0755, root). Hard links come last: what they name is there already.
    StepError: a path twice, absolute or with ``..``, below something that is not a folder, a hard link to
    nothing, or a file that can't be read or is not as long as ``size`` says.
    """
    ordered = _ordered(entries, name)

    def fill(sink: _Sink) -> tuple[Digest, Digest]:
        for entry in ordered:
            _write_entry(entry, sink, name, created)
        return sink.finish()

    return _kept(fill, blobs, scratch, name)


def write_tar(tar: Iterable[bytes], blobs: BlobStore, scratch: Path, *, name: str) -> Layer:
    """Keep a tar that somebody else made, byte for byte, as a gzip layer: its diff_id stays the one that they know."""

    def fill(sink: _Sink) -> tuple[Digest, Digest]:
        for piece in tar:
            sink.write(piece)
        return sink.close()

    return _kept(fill, blobs, scratch, name)


def _kept(fill: Callable[[_Sink], tuple[Digest, Digest]], blobs: BlobStore, scratch: Path, name: str) -> Layer:
    path = scratch / f"layer-{os.urandom(8).hex()}"
    try:
        with path.open("xb") as out, _Sink(out) as sink:
            diff_id, digest = fill(sink)
        blob = blobs.adopt(path, media_type=MEDIA_LAYER_GZIP, digest=digest)
    finally:
        path.unlink(missing_ok=True)
    return Layer(blob=blob, diff_id=diff_id, name=name)


def _ordered(entries: Iterable[Entry], layer: str) -> list[Entry]:
    """All entries with their parents, sorted by the bytes of their paths, hard links last."""
    by_path: dict[str, Entry] = {}
    for entry in entries:
        _check_path(entry.path, layer)
        if entry.path in by_path:
            raise StepError(f"layer {layer}: {entry.path} is there twice")
        by_path[entry.path] = entry
    for path in list(by_path):
        for parent in _parents(path):
            above = by_path.setdefault(parent, Entry(parent, "dir", 0o755))
            if above.type != "dir":
                raise StepError(f"layer {layer}: {path} lies below {parent}, which is a {above.type}")
    for entry in by_path.values():
        target = by_path.get(entry.target) if entry.type == "hardlink" else None
        if entry.type == "hardlink" and (target is None or target.type != "file"):
            raise StepError(f"layer {layer}: hard link {entry.path} names {entry.target!r}, which is no file of the layer")
    return sorted(by_path.values(), key=lambda e: (e.type == "hardlink", _bytes(e.path)))


def _check_path(path: str, layer: str) -> None:
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise StepError(f"layer {layer}: {path!r} can't be a member's path; expected a relative one without '.' and '..'")


def _bytes(path: str) -> bytes:
    """A path as it stands in the tar, whatever the host's locale is."""
    return path.encode("utf-8", "surrogateescape")


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _write_entry(entry: Entry, sink: _Sink, layer: str, created: int) -> None:
    if entry.type == "file" and isinstance(entry.data, bytes) and not entry.size:
        entry = replace(entry, size=len(entry.data))
    sink.write(_header(entry, created))
    if entry.type != "file":
        return
    length = 0
    for piece in _pieces(entry, layer):
        length += len(piece)
        if length > entry.size:
            break
        sink.write(piece)
    if length != entry.size:
        raise StepError(
            f"layer {layer}: {entry.path} changed while it was read (expected {entry.size} bytes)",
            hint="build again when nothing writes to it",
        )
    sink.write(bytes(-entry.size % tarfile.BLOCKSIZE))


def _pieces(entry: Entry, layer: str) -> Iterator[bytes]:
    try:
        with _open(entry) as source:
            while piece := source.read(PIECE):
                yield piece
    except OSError as error:
        raise StepError(f"layer {layer}: can't read {entry.path}: {error.strerror or error}") from error


def _open(entry: Entry) -> IO[bytes]:
    if entry.data is None or isinstance(entry.data, bytes):
        return io.BytesIO(entry.data or b"")
    return entry.data.open("rb") if isinstance(entry.data, Path) else entry.data()


def _header(entry: Entry, created: int) -> bytes:
    info = tarfile.TarInfo(entry.path)
    info.type = _TYPES[entry.type]
    info.mode = 0o777 if entry.type == "symlink" else entry.mode & 0o7777
    info.size = entry.size if entry.type == "file" else 0
    info.linkname = entry.target if entry.type in ("symlink", "hardlink") else ""
    info.mtime = created
    info.uid, info.gid = entry.uid, entry.gid
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


class _Sink:
    """Takes tar bytes, writes gzip members in order, and knows both digests at the end."""

    def __init__(self, out: IO[bytes]) -> None:
        # Imported here: only a run that really writes a layer needs the extension module.
        import deflate

        self._compress: Callable[[bytes, int], bytes | bytearray] = deflate.gzip_compress
        self._out = out
        self._pool: ThreadPoolExecutor | None = None
        self._buffer = bytearray()
        self._pending: deque[Future[bytes | bytearray]] = deque()
        self._tar = hashlib.sha256()
        self._blob = hashlib.sha256()
        self._length = 0

    def write(self, data: bytes) -> None:
        """Append tar bytes."""
        self._tar.update(data)
        self._length += len(data)
        self._buffer += data
        while len(self._buffer) >= PIECE:
            self._submit(bytes(self._buffer[:PIECE]))
            del self._buffer[:PIECE]

    def __enter__(self) -> _Sink:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def finish(self) -> tuple[Digest, Digest]:
        """End the archive; the digests of the tar and of the file."""
        # Two zero blocks end an archive; tar pads to a record of 20 blocks, as Python's and GNU's do.
        end = self._length + 2 * tarfile.BLOCKSIZE
        self.write(bytes(2 * tarfile.BLOCKSIZE + -end % tarfile.RECORDSIZE))
        return self.close()

    def close(self) -> tuple[Digest, Digest]:
        """Nothing follows; the digests of what was written and of the file."""
        while self._pending:
            self._drain()
        if self._buffer:
            self._append(self._compress(bytes(self._buffer), _LEVEL))
        self._out.flush()
        return Digest(f"sha256:{self._tar.hexdigest()}"), Digest(f"sha256:{self._blob.hexdigest()}")

    def _submit(self, piece: bytes) -> None:
        while len(self._pending) > _WORKERS:
            self._drain()
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # lazy: a small layer is one piece and needs no threads

            self._pool = ThreadPoolExecutor(_WORKERS)
        self._pending.append(self._pool.submit(self._compress, piece, _LEVEL))

    def _drain(self) -> None:
        self._append(self._pending.popleft().result())

    def _append(self, member: bytes | bytearray) -> None:
        self._blob.update(member)
        self._out.write(member)
