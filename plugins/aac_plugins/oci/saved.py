"""Archives of images, as `docker save`, `podman save`, `skopeo` and we write them → images in the blob store.

Sources: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md, and for ``manifest.json``
https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, cast

from aac_plugins.oci.documents import read_document, read_image
from aac_plugins.oci.manifests import INDEXES, IndexEntry, choose, descriptor_to_json, json_object, parse_index, parse_manifest
from aac_tasks.contracts.canonical import JsonObject, canonical
from aac_tasks.contracts.image import (
    MEDIA_CONFIG,
    MEDIA_LAYER,
    MEDIA_LAYER_GZIP,
    MEDIA_MANIFEST,
    Descriptor,
    Digest,
    Platform,
    StoredImage,
)
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError

T = TypeVar("T")

NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_DOCUMENT = 4 << 20
_PIECE = 1 << 20


class Saved:
    """One opened archive. ``what`` is its name, for messages."""

    def __init__(self, tar: tarfile.TarFile, what: str) -> None:
        self._tar = tar
        self._what = what
        members = set(tar.getnames())
        self._members = members
        if not members & {"index.json", "manifest.json"}:
            raise StepError(f"{what} holds no image: neither index.json nor manifest.json is in it")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its images; Docker's own registry, which is in every name that says no other, is left out."""
        if "index.json" in self._members:
            found = [name for entry in self._entries() for name in _names(entry)]
        else:
            found = [str(tag) for item in self._manifests() for tag in cast("Sequence[object]", item.get("RepoTags") or ())]
        return tuple(dict.fromkeys(short(name) for name in found))

    def digest(self, name: str) -> Digest | None:
        """The manifest's digest under a name; None where there is none, or no manifest is kept."""
        if "index.json" not in self._members:
            return None
        return next((entry.manifest.digest for entry in self._entries() if short(name) in map(short, _names(entry))), None)

    def bring(self, name: str, platform: Platform, blobs: BlobStore) -> StoredImage:
        """Store one image, every blob verified; ``name`` "" when it is the only one.

        Raises:
            StepError: there is no such image, none for the platform, or a blob is missing or is not what it should be.
        """
        if "index.json" in self._members:
            chosen = self._named(name)
            while chosen.media_type in INDEXES:
                stored = self._store(chosen, blobs)
                chosen = choose(parse_index(read_document(stored, blobs), stored.digest), platform, self._what)
            return self._bring_one(chosen, blobs)
        return self._bring_docker(name, blobs)

    def bring_all(self, name: str, blobs: BlobStore) -> tuple[StoredImage, ...]:
        """The same for each platform of one image; those that an archive only tells of (`docker save`) are passed over."""
        if "index.json" not in self._members:
            return (self._bring_docker(name, blobs),)
        named = self._named(name)
        if named.media_type not in INDEXES:
            return (self._bring_one(named, blobs),)
        index = self._store(named, blobs)
        listed = parse_index(read_document(index, blobs), index.digest)
        entries = [e.manifest for e in listed if e.platform and e.platform.os != "unknown"]
        whole = [manifest for manifest in entries if self._is_whole(manifest)]
        if not entries:
            raise StepError(f"{self._what} holds an index that names no platform")
        return tuple(self._bring_one(manifest, blobs) for manifest in whole or entries[:1])

    def _is_whole(self, manifest: Descriptor) -> bool:
        if _path(manifest) not in self._members:
            return False
        parsed = parse_manifest(self._read(_path(manifest)), manifest.digest)
        return all(_path(blob) in self._members for blob in (parsed.config, *parsed.layers))

    def _bring_docker(self, name: str, blobs: BlobStore) -> StoredImage:
        """Its layers are bare tars; the manifest is made here."""
        every = [(item, map(short, cast("list[str]", item.get("RepoTags") or []))) for item in self._manifests()]
        found = [item for item, tags in every if not name or short(name) in tags]
        return self._made(self._one(found, name), blobs)

    def _named(self, name: str) -> Descriptor:
        found = [e for e in self._entries() if not name or short(name) in map(short, _names(e))]
        return self._one(list({e.manifest.digest: e for e in found}.values()), name).manifest

    def _bring_one(self, chosen: Descriptor, blobs: BlobStore) -> StoredImage:
        manifest = self._store(chosen, blobs)
        parsed = parse_manifest(read_document(manifest, blobs), manifest.digest)
        for blob in (parsed.config, *parsed.layers):
            self._store(blob, blobs)
        return read_image(manifest, blobs)

    def _made(self, item: Mapping[str, object], blobs: BlobStore) -> StoredImage:
        config = blobs.put(self._read(str(item.get("Config"))), media_type=MEDIA_CONFIG)
        rootfs = json_object(read_document(config, blobs), f"configuration of {self._what}").get("rootfs")
        diff_ids = cast("list[str]", rootfs.get("diff_ids") or []) if isinstance(rootfs, dict) else []
        paths = [str(path) for path in cast("Sequence[object]", item.get("Layers") or ())]
        layers = [self._layer(path, blobs) for path in paths]
        for layer, diff_id in zip(layers, diff_ids, strict=False):
            if layer.media_type == MEDIA_LAYER and layer.digest != diff_id:
                raise StepError(f"{self._what}: a layer hashes to {layer.digest}, its configuration says {diff_id}")
        manifest: JsonObject = {
            "schemaVersion": 2,
            "mediaType": MEDIA_MANIFEST,
            "config": descriptor_to_json(config),
            "layers": [descriptor_to_json(layer) for layer in layers],
        }
        return read_image(blobs.put(canonical(manifest), media_type=MEDIA_MANIFEST), blobs)

    def _layer(self, path: str, blobs: BlobStore) -> Descriptor:
        stored = blobs.put(self._pieces(path), media_type=MEDIA_LAYER)
        with blobs.open(stored.digest) as file:
            packed = file.read(2) == b"\x1f\x8b"
        return Descriptor(MEDIA_LAYER_GZIP if packed else MEDIA_LAYER, stored.digest, stored.size)

    def _one(self, found: Sequence[T], name: str) -> T:
        if len(found) == 1:
            return found[0]
        known = ", ".join(self.names) or "none has a name"
        if found:
            raise StepError(f"{self._what} holds {len(found)} images; name one of {known}")
        raise StepError(f"{self._what} holds no image {name}; it has: {known}")

    def _entries(self) -> tuple[IndexEntry, ...]:
        return parse_index(self._read("index.json"), self._what)

    def _manifests(self) -> list[Mapping[str, object]]:
        try:
            value = json.loads(self._read("manifest.json"))
        except ValueError as error:
            raise StepError(f"{self._what}: manifest.json is no JSON: {error}") from error
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    def _store(self, blob: Descriptor, blobs: BlobStore) -> Descriptor:
        if blobs.has(blob):
            return blob
        stored = blobs.put(self._pieces(_path(blob)), media_type=blob.media_type, expect=blob.digest)
        return Descriptor(blob.media_type, stored.digest, stored.size)

    def _read(self, path: str) -> bytes:
        data = b"".join(self._pieces(path))
        if len(data) > _DOCUMENT:
            raise StepError(f"{self._what}: {path} is too long to be a document")
        return data

    def _pieces(self, path: str) -> Iterator[bytes]:
        try:
            source = self._tar.extractfile(path)
        except KeyError:
            source = None
        if source is None:
            raise StepError(f"{self._what} lacks {path}, which its image needs", hint="save it again")
        with source:
            while piece := source.read(_PIECE):
                yield piece


def _path(blob: Descriptor) -> str:
    return f"blobs/sha256/{blob.digest.hex}"


def short(name: str) -> str:
    """Without the registry that Docker puts before a name that has none."""
    return name.removeprefix("docker.io/").removeprefix("library/")


def _names(entry: IndexEntry) -> Iterator[str]:
    notes = entry.manifest.annotations
    full = notes.get(NAMES[0]) or notes.get(NAMES[1], "")
    if full:
        yield full
