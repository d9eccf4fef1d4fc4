"""A shared cache in a folder: a disk of a team, or one that CI keeps between runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from aac_tasks.contracts.image import Descriptor, Digest
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError
from aac_tasks.state.blobs import Blobs, hash_file, pieces
from aac_tasks.state.root import write_atomically
from aac_tasks.state.temporaries import NAME as TMP


class SharedFolder:
    """A `SharedStore`: ``actions/ab/<name>`` and ``blobs/sha256/ab/…``, as in a user's own cache; ``store`` is the user's."""

    def __init__(self, folder: Path, store: BlobStore) -> None:
        self._folder = folder
        self._blobs = Blobs(folder)
        self._store = store

    def read(self, name: str) -> bytes | None:
        """The entry, None when there is none."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StepError(f"{self._path(name)} can't be read: {error.strerror}", hint="is the folder yours to read?") from error

    def holds(self, digest: Digest) -> bool:
        """One stat."""
        return self._blobs.has(digest)

    def write(self, name: str, data: bytes, blobs: Sequence[Descriptor]) -> None:
        """Blobs first: an entry promises them."""
        path = self._path(name)
        try:
            for blob in blobs:
                if not self._blobs.has(blob.digest):
                    self._blobs.put(pieces(self._store.bring(blob.digest)), media_type=blob.media_type, expect=blob.digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data, self._folder / TMP)
        except OSError as error:
            where = error.filename or self._folder
            raise StepError(f"{where} can't be written: {error.strerror}", hint="is the folder yours to write?") from error

    def fetch(self, blob: Descriptor) -> None:
        """Copied, and hashed on the way."""
        self._store.put(pieces(self._blobs.path(blob.digest)), media_type=blob.media_type, expect=blob.digest)

    def names(self) -> Iterable[str]:
        """Of every entry."""
        return sorted(path.name for path in self._folder.glob("actions/??/*"))

    def problem(self, blob: Descriptor) -> str:
        """Its bytes are hashed."""
        try:
            return "" if hash_file(self._blobs.path(blob.digest)) == blob.digest else "has other bytes than its name says"
        except OSError:
            return "is not there"

    def _path(self, name: str) -> Path:
        return self._folder / "actions" / name[:2] / name
