"""The user's blob store: content-addressed files and small memos, shared by all projects.

A blob is written under a temporary name, hashed on the way, and renamed: it is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol

from aac_tasks.contracts.image import Descriptor, Digest
from aac_tasks.errors import LostError, StepError
from aac_tasks.state.root import of_the_machine
from aac_tasks.state.temporaries import NAME as TMP
from aac_tasks.state.temporaries import new_name, remove, sweep

CHUNK = 1 << 20


class Lender(Protocol):
    """Who has blobs that are not here: a shared cache."""

    def lends(self, digest: Digest) -> bool:
        """Whether it is known to have the blob; asks nobody."""
        ...

    def fetch(self, digest: Digest) -> None:
        """Bring it into the store, verified; LostError when it can't be had."""
        ...


class Blobs:
    """A `BlobStore` in a folder: ``blobs/sha256/ab/…``, ``memos/…`` and ``tmp/`` for what is being written.

    ``lender`` is asked for the shared cache when a blob is not here; it answers None where there is none.
    """

    def __init__(self, folder: Path, lender: Callable[[], Lender | None] = lambda: None) -> None:
        self.folder = folder
        self._lender = lender
        self._blobs = folder / "blobs" / "sha256"
        self._memos = folder / "memos"
        self._tmp = folder / TMP

    def has(self, blob: Digest | Descriptor) -> bool:
        """One stat; of a descriptor the size must fit too: a blob that a full or failing disk cut off counts as none."""
        if isinstance(blob, Digest):
            return self.path(blob).is_file()
        try:
            return self.path(blob.digest).stat().st_size == blob.size
        except OSError:
            return False

    def path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self._blobs / digest.hex[:2] / digest.hex

    def lends(self, digest: Digest) -> bool:
        """Whether a blob that is not here can be had from the shared cache, as far as is known."""
        lender = self._lender()
        return lender is not None and lender.lends(digest)

    def bring(self, blob: Digest | Descriptor) -> Path:
        """Where the blob is; fetched from the shared cache when that has it and this store has not."""
        digest = blob if isinstance(blob, Digest) else blob.digest
        if not self.has(blob):
            if not self.lends(digest):
                raise LostError(
                    f"blob {digest} is not in the store",
                    hint="it was removed by hand; run the step that makes it again",
                )
            if (lender := self._lender()) is not None:
                lender.fetch(digest)
        return self.path(digest)

    def open(self, digest: Digest) -> IO[bytes]:
        """For reading, brought as above; StepError when it is not there."""
        try:
            return self.bring(digest).open("rb")
        except OSError as error:
            raise StepError(
                f"blob {digest} is not in the store",
                hint="it was removed by hand; run the step that makes it again",
            ) from error

    def put(self, data: bytes | Iterable[bytes], *, media_type: str, expect: Digest | None = None) -> Descriptor:
        """Store bytes; StepError, and nothing stored, when they do not hash to ``expect``."""
        chunks = (data,) if isinstance(data, bytes) else data
        path = self._temporary()
        try:
            with self._told():
                digest = _write(path, chunks)
            if expect is not None and digest != expect:
                raise StepError(f"received bytes hash to {digest}, not to the {expect} that was asked for")
            return self.adopt(path, media_type=media_type, digest=digest)
        finally:
            path.unlink(missing_ok=True)

    def adopt(self, path: Path, *, media_type: str, digest: Digest | None = None) -> Descriptor:
        """Move a finished file in (same disk); it is hashed unless ``digest`` is given."""
        digest = digest or hash_file(path)
        size = path.stat().st_size
        final = self.path(digest)
        final.parent.mkdir(parents=True, exist_ok=True)
        path.chmod(0o444)
        path.replace(final)
        return Descriptor(media_type, digest, size)

    def remove(self, digest: Digest) -> int:
        """Forget a blob; the bytes that are free now, 0 when it was not there."""
        path = self.path(digest)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def memo(self, name: str) -> str | None:
        """What was remembered under ``name``; a torn memo is as good as none."""
        return memo_in(self._memos / name[:2] / name)

    def remember(self, name: str, text: str) -> None:
        """Keep a small text under a key."""
        final = self._memos / name[:2] / name
        final.parent.mkdir(parents=True, exist_ok=True)
        path = self._temporary()
        with self._told():
            path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}", encoding="utf-8")
        path.replace(final)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on the store's disk, gone at the end; its name tells whose it is (see ``sweep``)."""
        folder = self._temporary()
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            remove(folder)

    def sweep(self) -> None:
        """Remove what killed processes left in ``tmp/``."""
        sweep(self._tmp)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the disk name the store: whoever writes knows only a temporary name, or none."""
        try:
            yield
        except OSError as error:
            told = of_the_machine(error)
            if told is None:
                raise
            hint = f"{told.hint}; AAC_CACHE_DIR moves the cache to another disk"
            raise StepError(f"the cache {self.folder} can't be written: {error.strerror}", hint=hint) from error

    def _temporary(self) -> Path:
        with self._told():
            return new_name(self._tmp)


def memo_in(path: Path) -> str | None:
    """What a file of `Blobs.remember` holds; None where it can't be read, or is torn."""
    try:
        head, _, text = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return text if head == hashlib.sha256(text.encode()).hexdigest() else None


def pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes for `Blobs.put`, a piece at a time; StepError when they can't be read."""
    try:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(CHUNK):
                yield piece
    except OSError as error:
        raise StepError(f"{path} can't be read: {error.strerror}") from error


def hash_file(path: Path) -> Digest:
    """SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return Digest(f"sha256:{digest.hexdigest()}")


def _write(path: Path, chunks: Iterable[bytes]) -> Digest:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
    return Digest(f"sha256:{digest.hexdigest()}")
