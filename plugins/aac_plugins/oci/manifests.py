"""Manifests, indexes and descriptors: JSON ⇄ values.

OCI and Docker schema 2 alike, for they differ in media types only. Sources, all below
https://github.com/opencontainers/image-spec/blob/v1.1.1/: manifest.md, image-index.md, descriptor.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import (
    MEDIA_CONFIG,
    MEDIA_DOCKER_INDEX,
    MEDIA_DOCKER_MANIFEST,
    MEDIA_INDEX,
    MEDIA_MANIFEST,
    Descriptor,
    Digest,
    Platform,
)
from aac_tasks.errors import StepError

MEDIA_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
MANIFESTS = (MEDIA_MANIFEST, MEDIA_DOCKER_MANIFEST)
INDEXES = (MEDIA_INDEX, MEDIA_DOCKER_INDEX)


@dataclass(frozen=True)
class Manifest:
    """An image manifest: the configuration's descriptor and the layers', lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class IndexEntry:
    """One manifest of an index; ``platform`` is None where the index does not say."""

    manifest: Descriptor
    platform: Platform | None = None


def parse_manifest(data: bytes, digest: str) -> Manifest:
    """Read an OCI or Docker schema 2 manifest; StepError for anything else, saying what it is."""
    what = f"manifest {digest}"
    document = json_object(data, what)
    media = str(document.get("mediaType") or MEDIA_MANIFEST)
    if document.get("schemaVersion") != 2 or media not in MANIFESTS:
        version = document.get("schemaVersion")
        raise StepError(f"{what} is no image manifest (schema {version}, {media})")
    config = descriptor_from_json(document.get("config"), what)
    if config.media_type not in (MEDIA_CONFIG, MEDIA_DOCKER_CONFIG):
        raise StepError(f"{what} belongs to an artifact of type {config.media_type}, not to an image")
    layers = document.get("layers")
    if not isinstance(layers, list):
        raise StepError(f"{what} lists no layers")
    annotations = document.get("annotations")
    return Manifest(
        config=config,
        layers=tuple(descriptor_from_json(layer, what) for layer in layers),
        annotations={str(k): str(v) for k, v in annotations.items()} if isinstance(annotations, dict) else {},
    )


def parse_index(data: bytes, digest: str) -> tuple[IndexEntry, ...]:
    """Read an OCI index or Docker manifest list, in its order; StepError when it is none."""
    what = f"index {digest}"
    document = json_object(data, what)
    manifests = document.get("manifests")
    if document.get("schemaVersion") != 2 or not isinstance(manifests, list):
        raise StepError(f"{what} lists no manifests")
    return tuple(_index_entry(item, what) for item in manifests)


def index_to_json(entries: Iterable[IndexEntry]) -> JsonObject:
    """The document of an index with these entries."""
    manifests = []
    for entry in entries:
        item = dict(descriptor_to_json(entry.manifest))
        if entry.platform is not None:
            names = ("os", "architecture", "variant")
            item["platform"] = {n: v for n in names if (v := getattr(entry.platform, n))}
        manifests.append(item)
    return {"schemaVersion": 2, "mediaType": MEDIA_INDEX, "manifests": manifests}


def choose(entries: Sequence[IndexEntry], platform: Platform, what: str) -> Descriptor:
    """The manifest for ``platform``; StepError naming ``what`` and the platforms that there are.

    An exact match wins; else one that differs only in the variant that one side leaves out.
    """
    named = [(entry.manifest, entry.platform) for entry in entries if entry.platform is not None]
    for exact in (True, False):
        for manifest, candidate in named:
            if candidate == platform or (candidate.suits(platform) and not exact):
                return manifest
    known = ", ".join(str(p) for _, p in named if p.os != "unknown") or "none"
    raise StepError(f"{what} has no image for {platform}; it has: {known}")


def descriptor_to_json(descriptor: Descriptor) -> JsonObject:
    """A descriptor as JSON; annotations only when there are some."""
    out: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if descriptor.annotations:
        out["annotations"] = dict(descriptor.annotations)
    return out  # type: ignore[return-value]  # values are JSON by construction


def descriptor_from_json(value: object, what: str) -> Descriptor:
    """Read a descriptor of the document called ``what``; StepError when it is none."""
    if not isinstance(value, dict):
        raise StepError(f"{what}: expected a descriptor, got {value!r}")
    size, annotations = value.get("size"), value.get("annotations")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise StepError(f"{what}: a descriptor's size is {size!r}, expected a number of bytes")
    try:
        digest = Digest(str(value.get("digest")))
    except ValueError as error:
        raise StepError(f"{what}: {error}") from error
    notes = {str(k): str(v) for k, v in annotations.items()} if isinstance(annotations, dict) else {}
    return Descriptor(str(value.get("mediaType") or ""), digest, size, notes)


def json_object(data: bytes, what: str) -> dict[str, object]:
    """The JSON object in ``data``; StepError naming ``what`` when there is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StepError(f"{what} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise StepError(f"{what} is no JSON object")
    return value


def _index_entry(item: object, what: str) -> IndexEntry:
    manifest = descriptor_from_json(item, what)
    platform = item.get("platform") if isinstance(item, dict) else None
    if not isinstance(platform, dict):
        return IndexEntry(manifest)
    return IndexEntry(manifest, Platform(*(str(platform.get(k) or "") for k in ("os", "architecture", "variant"))))
