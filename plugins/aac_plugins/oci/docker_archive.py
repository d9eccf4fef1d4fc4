"""Images → archives that an engine loads, with all layers or only those that it lacks.

One archive fits both image stores of Docker: ``manifest.json`` is what the overlay2 store reads
(https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format),
``oci-layout`` and ``index.json`` what the containerd store does; both name the same files below ``blobs/sha256``,
which are the blobs of our store as they are.

A layer that the engine has may be left out: overlay2 looks for the chain of layers before it opens a file, containerd
for the unpacked chain (and misses an absent blob only when the image is saved or pushed).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from aac_plugins.oci.manifests import descriptor_to_json
from aac_tasks.contracts.canonical import JsonObject, canonical
from aac_tasks.contracts.image import MEDIA_INDEX, Descriptor, ImageRef, StoredImage
from aac_tasks.contracts.tools import BlobStore

_PIECE = 1 << 20
_LAYOUT = {"imageLayoutVersion": "1.0.0"}


@dataclass(frozen=True)
class Several:
    """The images of several platforms below one index."""

    index: Descriptor
    images: Sequence[StoredImage]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All that they are made of."""
        return (self.index, *(blob for image in self.images for blob in image.blobs))


def write_archive(
    image: StoredImage, names: Sequence[str], blobs: BlobStore, *, without: int = 0, several: Several | None = None
) -> IO[bytes]:
    """``image`` under ``names`` as a tar to be read or sent; seekable, nothing is copied until it is read.

    The lowest ``without`` layers are left out. With ``several`` the names stand for their index, and ``image`` is the one of them
    that a store without platforms takes. Equal images give equal bytes. Close it, or use it in ``with``.
    """
    references = [_reference(name) for name in names]
    documents = {
        "oci-layout": canonical(_LAYOUT),
        "index.json": canonical(_index(several.index if several else image.manifest, references)),
        "manifest.json": canonical([_manifest(image, references)]),
    }
    parts: list[bytes | Path] = []
    for name, data in documents.items():
        parts += [_header(name, len(data)), data, bytes(-len(data) % tarfile.BLOCKSIZE)]
    layers = [layer.blob for layer in image.layers[without:]]
    others = several.blobs if several else ()
    for blob in {b.digest: b for b in (image.manifest, image.config, *layers, *others)}.values():
        parts += [_header(_path(blob), blob.size), blobs.bring(blob), bytes(-blob.size % tarfile.BLOCKSIZE)]
    return cast("IO[bytes]", io.BufferedReader(_Joined([*parts, bytes(2 * tarfile.BLOCKSIZE)]), _PIECE))


def write_layout(image: StoredImage, folder: Path, blobs: BlobStore) -> None:
    """The image as an OCI layout in a new ``folder``, its blobs links to those of the store."""
    (folder / "blobs/sha256").mkdir(parents=True)
    (folder / "oci-layout").write_bytes(canonical(_LAYOUT))
    (folder / "index.json").write_bytes(canonical(_index(image.manifest, ())))
    for blob in {b.digest: b for b in image.blobs}.values():
        (folder / _path(blob)).symlink_to(blobs.path(blob.digest).absolute())


def _reference(name: str) -> str:
    """The whole name; an archive's must have a tag."""
    reference = ImageRef.parse(name)
    return str(reference.tagged)


def _index(named: Descriptor, references: Sequence[str]) -> JsonObject:
    """One entry per name, under the annotations that containerd takes a name from.

    https://github.com/containerd/containerd/blob/v2.0.0/core/images/archive/reference.go
    """
    entries: list[JsonObject] = []
    for reference in references:
        annotations = {
            "io.containerd.image.name": reference,
            "org.opencontainers.image.ref.name": ImageRef.parse(reference).tag,
        }
        entries.append({**descriptor_to_json(named), "annotations": annotations})
    manifests = entries or [descriptor_to_json(named)]
    return {"schemaVersion": 2, "mediaType": MEDIA_INDEX, "manifests": [*manifests]}


def _manifest(image: StoredImage, references: Sequence[str]) -> JsonObject:
    return {
        "Config": _path(image.config),
        "RepoTags": [*references],
        "Layers": [_path(layer.blob) for layer in image.layers],
    }


def _path(blob: Descriptor) -> str:
    return f"blobs/sha256/{blob.digest.hex}"


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


class _Joined(io.RawIOBase):
    """Bytes and files, one after the other, as one file to read; a file is open only while it is its turn."""

    def __init__(self, parts: Sequence[bytes | Path]) -> None:
        self._parts = [(part, len(part) if isinstance(part, bytes) else part.stat().st_size) for part in parts]
        self._size = sum(size for _, size in self._parts)
        self._at = 0
        self._open: tuple[Path, IO[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12's
        for part, start, size in self._spans():
            if start <= self._at < start + size:
                piece = self._piece(part, self._at - start, min(len(buffer), start + size - self._at))
                if not piece:
                    raise OSError(f"{part!s:.80} is shorter than it was")
                buffer[: len(piece)] = piece
                self._at += len(piece)
                return len(piece)
        return 0

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
        super().close()

    def _spans(self) -> Iterator[tuple[bytes | Path, int, int]]:
        start = 0
        for part, size in self._parts:
            yield part, start, size
            start += size

    def _piece(self, part: bytes | Path, offset: int, size: int) -> bytes:
        if isinstance(part, bytes):
            return part[offset : offset + size]
        if self._open is None or self._open[0] != part:
            if self._open is not None:
                self._open[1].close()
            self._open = (part, part.open("rb", buffering=0))
        file = self._open[1]
        file.seek(offset)
        return file.read(size)
