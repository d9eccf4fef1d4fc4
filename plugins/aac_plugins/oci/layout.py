"""OCI image layout folders (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md).

``oci-layout``, ``index.json`` and ``blobs/sha256/…``. Every change of ``index.json`` is made under a lock
file and appears by a rename, so writers at the same time lose nothing and readers never see half of it.
What other tools wrote into the index stays as it is. Blobs that no index names any more are left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from aac_plugins.oci.confirm import confirm, is_intact
from aac_plugins.oci.documents import MAX_DOCUMENT, read_document, read_image
from aac_plugins.oci.manifests import (
    INDEXES,
    choose,
    descriptor_to_json,
    json_object,
    parse_index,
    parse_manifest,
)
from aac_tasks.contracts.canonical import JsonObject, canonical
from aac_tasks.contracts.image import MEDIA_INDEX, Descriptor, Digest, Platform, StoredImage
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError

REF_NAME = "org.opencontainers.image.ref.name"

WaitUntil: TypeAlias = Callable[[Callable[[], bool]], bool]
"""Polls a condition until it holds (True) or it took too long (False)."""

_VERSION = {"imageLayoutVersion": "1.0.0"}
_CHUNK = 1 << 20
_FICLONE = 0x40049409  # linux/fs.h: share the bytes of another file, where the file system can


@dataclass(frozen=True)
class Layout:
    """One layout folder; ``label`` is what messages call it (the path as the user wrote it)."""

    folder: Path
    label: str

    def exists(self) -> bool:
        """Whether there is a layout at all."""
        return (self.folder / "index.json").is_file()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make the layout where there is none, and say that blobs are being added (flock(2), shared, on their folder).

        Who finds nobody else writing removes what killed processes left half-written.
        """
        self.create()
        descriptor = os.open(self.folder / "blobs", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in (*self.folder.glob(".*.new"), *self.folder.glob("blobs/sha256/.*.new")):
                    left.unlink(missing_ok=True)
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits for somebody's sweep at most
            yield
        except OSError as error:
            raise self._failed("can't be written", error) from error
        finally:
            os.close(descriptor)

    def create(self) -> None:
        """Make an empty layout where there is none."""
        try:
            (self.folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            if not (self.folder / "oci-layout").exists():
                self._replace("oci-layout", canonical(_VERSION))
        except OSError as error:
            raise self._failed("can't be made", error) from error

    def names(self) -> tuple[str, ...]:
        """The names that images have in it, sorted."""
        return tuple(sorted({d.annotations[REF_NAME] for d in self._manifests() if REF_NAME in d.annotations}))

    def find(self, name: str) -> Descriptor | None:
        """What ``name`` stands for now (a manifest or an index), None when it is not there."""
        found = [d for d in self._manifests() if d.annotations.get(REF_NAME) == name]
        return found[-1] if found else None

    def select(self, name: str, platform: Platform) -> Descriptor:
        """The image manifest for ``platform`` behind ``name`` (empty: behind the only image).

        StepError naming what there is.
        """
        known = ", ".join(self.names()) or "none with a name"
        if not self.exists():
            raise StepError(f"{self.label} is no OCI layout: it has no index.json")
        if name:
            found = self.find(name)
            if found is None:
                raise StepError(f"{self.label} has no image {name!r}; it has: {known}")
            return self._for_platform(found, platform)
        entries = parse_index(self._index_bytes(), self.label)
        if len(entries) == 1:
            return self._for_platform(entries[0].manifest, platform)
        fitting = [e for e in entries if e.platform is not None and e.platform.os == platform.os]
        if len({str(e.platform) for e in fitting}) != len(entries):
            raise StepError(f"{self.label} holds {len(entries)} images; say which: {known}")
        return self._for_platform(choose(fitting, platform, self.label), platform)

    def holds(self, blob: Descriptor) -> bool:
        """One stat: it is there and as long as it should be."""
        try:
            return self.path(blob.digest).stat().st_size == blob.size
        except OSError:
            return False

    def complete(self, manifest: Descriptor) -> bool:
        """Whether the image's manifest is there and all it names too (a stat each)."""
        if not self.holds(manifest) or not self._intact(manifest):
            return False
        if manifest.media_type in INDEXES:
            entries = parse_index(self.document(manifest), manifest.digest)
            return all(self.complete(entry.manifest) for entry in entries)
        parsed = parse_manifest(self.document(manifest), manifest.digest)
        return all(self.holds(blob) for blob in (parsed.config, *parsed.layers))

    def path(self, digest: Digest) -> Path:
        """Where a blob is, or would be."""
        return self.folder / "blobs" / "sha256" / digest.hex

    def document(self, descriptor: Descriptor) -> bytes:
        """A manifest's or index's bytes, verified; StepError when they are missing, too long or others."""
        try:
            with self.path(descriptor.digest).open("rb") as file:
                data = file.read(MAX_DOCUMENT + 1)
        except OSError as error:
            raise self._failed(f"blob {descriptor.digest} can't be read", error) from error
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != descriptor.digest:
            raise StepError(f"{self.label}: blob {descriptor.digest} is damaged: its bytes hash to something else")
        return data

    def add(self, blob: Descriptor, source: Path) -> int:
        """Copy a blob in, sharing bytes where the disk can, and verify it; how many bytes were written, 0 if none.

        What is there is believed by its length; documents, which are small, are hashed and mended.
        """
        if self.holds(blob) and (blob.size > MAX_DOCUMENT or self._intact(blob)):
            return 0
        target = self.path(blob.digest)
        temporary = target.with_name(f".{secrets.token_hex(8)}.new")
        try:
            _copy(source, temporary)
            confirm(blob, temporary)
            temporary.replace(target)
        except OSError as error:
            raise self._failed(f"blob {blob.digest} can't be written", error) from error
        finally:
            temporary.unlink(missing_ok=True)
        return blob.size

    def tag(self, name: str, image: StoredImage | Descriptor, wait_until: WaitUntil) -> None:
        """Let ``name`` stand for ``image``, or for an index; StepError when another process holds the lock for too long."""
        entry = {**_entry(image), "annotations": {REF_NAME: name}}
        with self._locked(wait_until):
            index = json_object(self._index_bytes(), f"{self.label}/index.json")
            manifests = index.get("manifests")
            others = [m for m in manifests if not _is_named(m, name)] if isinstance(manifests, list) else []
            document = {"schemaVersion": 2, "mediaType": MEDIA_INDEX, **index, "manifests": [*others, entry]}
            try:
                self._replace("index.json", json.dumps(document, indent=2, sort_keys=True).encode())
            except OSError as error:
                raise self._failed("index.json can't be written", error) from error

    def bring(self, manifest: Descriptor, blobs: BlobStore) -> StoredImage:
        """Copy an image's blobs into the store, each verified; what is there already is not read again."""
        stored = blobs.has(manifest)
        data = read_document(manifest, blobs) if stored else self.document(manifest)
        parsed = parse_manifest(data, manifest.digest)
        for blob in (*parsed.layers, parsed.config, manifest):
            if not blobs.has(blob):
                blobs.put(self._pieces(blob), media_type=blob.media_type, expect=blob.digest)
        return read_image(manifest, blobs)

    def _intact(self, blob: Descriptor) -> bool:
        return is_intact(blob, self.path(blob.digest))

    def _for_platform(self, found: Descriptor, platform: Platform) -> Descriptor:
        if found.media_type not in INDEXES:
            return found
        return choose(parse_index(self.document(found), found.digest), platform, self.label)

    def _manifests(self) -> tuple[Descriptor, ...]:
        return tuple(e.manifest for e in parse_index(self._index_bytes(), self.label)) if self.exists() else ()

    def _index_bytes(self) -> bytes:
        try:
            return (self.folder / "index.json").read_bytes()
        except FileNotFoundError:
            return canonical({"schemaVersion": 2, "manifests": []})
        except OSError as error:
            raise self._failed("index.json can't be read", error) from error

    def _pieces(self, blob: Descriptor) -> Iterator[bytes]:
        try:
            with self.path(blob.digest).open("rb") as file:
                while piece := file.read(_CHUNK):
                    yield piece
        except OSError as error:
            raise self._failed(f"blob {blob.digest} can't be read", error) from error

    def _replace(self, name: str, data: bytes) -> None:
        temporary = self.folder / f".{name}.{secrets.token_hex(8)}.new"
        try:
            temporary.write_bytes(data)
            temporary.replace(self.folder / name)
        finally:
            temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, wait_until: WaitUntil) -> Iterator[None]:
        try:
            file = (self.folder / "index.json.lock").open("ab")
        except OSError as error:
            raise self._failed("can't be locked", error) from error
        with file:  # closing it gives the lock back, and so does the end of the process
            if not wait_until(lambda: _try_lock(file)):
                raise StepError(
                    f"{self.label}: another process holds its lock for too long",
                    hint="see who has index.json.lock open (fuser), and end it",
                )
            yield

    def _failed(self, what: str, error: OSError) -> StepError:
        return StepError(f"{self.label}: {what}: {error.strerror or error}")


def _entry(image: StoredImage | Descriptor) -> JsonObject:
    if isinstance(image, Descriptor):
        return descriptor_to_json(image)
    variant = {"variant": image.platform.variant} if image.platform.variant else {}
    platform: JsonObject = {"os": image.platform.os, "architecture": image.platform.architecture, **variant}
    return {**descriptor_to_json(image.manifest), "platform": platform}


def _is_named(item: object, name: str) -> bool:
    annotations = item.get("annotations") if isinstance(item, dict) else None
    return isinstance(annotations, dict) and annotations.get(REF_NAME) == name


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    """Clone where the file system can, else a hard link (blobs are never written to again), else a copy."""
    try:
        with source.open("rb") as old, target.open("xb") as new:
            fcntl.ioctl(new, _FICLONE, old.fileno())
    except OSError:
        target.unlink(missing_ok=True)
    else:
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
