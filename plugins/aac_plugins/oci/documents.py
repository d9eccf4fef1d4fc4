"""Whole images: layers and a configuration → documents in the blob store, and back.

What is written is OCI, in canonical JSON, so equal images are equal bytes. What is read may also be Docker's
schema 2, whose documents have the same shape under other media types
(https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md#compatibility-matrix).

A health check stands in the configuration as Docker's ``Healthcheck`` (a field that the image specification
reserves), and only when it is a command: an ``http`` or ``tcp`` probe becomes one when the runtime gives it
a native command. The typed probe itself travels in the instance's description, never in a label.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from aac_plugins.oci.manifests import descriptor_to_json, json_object, parse_manifest
from aac_tasks.contracts.canonical import Json, JsonObject, canonical, fingerprint
from aac_tasks.contracts.image import (
    MEDIA_CONFIG,
    MEDIA_LAYER_GZIP,
    MEDIA_MANIFEST,
    Descriptor,
    Digest,
    HealthProbe,
    ImageConfig,
    Layer,
    Platform,
    StoredImage,
)
from aac_tasks.contracts.oci_config import NANOSECONDS, config_from_oci
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.tools import BlobStore

MAX_DOCUMENT = 4 * 1024 * 1024
"""Bytes; what the distribution specification has registries accept at least, and nobody exceeds."""

_DOCKER_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": MEDIA_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
_NOT_BEHAVIOUR = ("Labels",)


@dataclass(frozen=True)
class History:
    """One line of an image's history: what made a layer (``empty``: what made none)."""

    created_by: str
    empty: bool = False


@dataclass(frozen=True)
class About:
    """What is said about an image and changes nothing of what it does. ``created`` in seconds since 1970."""

    created: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    history: Sequence[History] = ()


def write_image(
    layers: Sequence[Layer], config: ImageConfig, blobs: BlobStore, *, platform: Platform, about: About
) -> StoredImage:
    """Store configuration and manifest of ``layers`` (lowest first, blobs in the store) and read them back.

    StepError when a layer's blob is missing or its type can't stand in an OCI image.
    """
    missing = next((layer for layer in layers if not blobs.has(layer.blob)), None)
    if missing is not None:
        raise StepError(f"layer {missing.name or missing.blob.digest} is not in the blob store")
    date = _date(about.created)
    document: JsonObject = {
        "created": date,
        "os": platform.os,
        "architecture": platform.architecture,
        **({"variant": platform.variant} if platform.variant else {}),
        "config": config_to_json(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [
            {"created": date, "created_by": h.created_by, **({"empty_layer": True} if h.empty else {})} for h in about.history
        ],
    }
    stored = blobs.put(canonical(document), media_type=MEDIA_CONFIG)
    manifest: JsonObject = {
        "schemaVersion": 2,
        "mediaType": MEDIA_MANIFEST,
        "config": descriptor_to_json(stored),
        "layers": [descriptor_to_json(_as_oci(layer.blob)) for layer in layers],
        **({"annotations": dict(about.annotations)} if about.annotations else {}),
    }
    image = read_image(blobs.put(canonical(manifest), media_type=MEDIA_MANIFEST), blobs)
    return StoredImage(image.manifest, image.config, _named(image.layers, layers), platform, image.content_digest)


def read_image(manifest: Descriptor, blobs: BlobStore) -> StoredImage:
    """An image whose manifest and configuration are in the store (layers need not be).

    StepError when they are not there, are no image's, or disagree about the number of layers.
    """
    parsed = parse_manifest(read_document(manifest, blobs), manifest.digest)
    document = json_object(read_document(parsed.config, blobs), f"configuration {parsed.config.digest}")
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or len(diff_ids) != len(parsed.layers):
        raise StepError(f"image {manifest.digest}: the configuration's diff_ids do not match {len(parsed.layers)} layers")
    platform = Platform(*(str(document.get(key) or "") for key in ("os", "architecture", "variant")))
    try:
        layers = tuple(Layer(b, Digest(str(d))) for b, d in zip(parsed.layers, diff_ids, strict=True))
    except ValueError as error:
        raise StepError(f"image {manifest.digest}: {error}") from error
    config = _config(document, manifest.digest)
    return StoredImage(manifest, parsed.config, layers, platform, content_digest(layers, config, platform))


def read_config(config: Descriptor, blobs: BlobStore) -> ImageConfig:
    """How to run the image that has this configuration."""
    document = json_object(read_document(config, blobs), f"configuration {config.digest}")
    return _config(document, config.digest)


def config_to_json(config: ImageConfig) -> dict[str, Json]:
    """The ``config`` object: what is set, under Docker's names; a probe without a command is left out."""
    probe = config.healthcheck
    every: dict[str, Json] = {
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "User": config.user,
        "WorkingDir": config.working_dir,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Volumes": {volume: {} for volume in config.volumes},
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "Healthcheck": _healthcheck(probe) if probe is not None and probe.command else None,
    }
    return {name: value for name, value in every.items() if value}


def content_digest(layers: Iterable[Layer], config: ImageConfig, platform: Platform) -> Digest:
    """Digest of what an image does: its files and how it starts; no label, annotation, history or date."""
    behaviour = {k: v for k, v in config_to_json(config).items() if k not in _NOT_BEHAVIOUR}
    value: JsonObject = {
        "layers": [layer.diff_id for layer in layers],
        "config": behaviour,
        "platform": str(platform),
    }
    return Digest(f"sha256:{fingerprint(value)}")


def read_document(descriptor: Descriptor, blobs: BlobStore) -> bytes:
    """A manifest's, index's or configuration's bytes; StepError when it is too long to be one."""
    with blobs.open(descriptor.digest) as file:
        data = file.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise StepError(f"document {descriptor.digest} is longer than {MAX_DOCUMENT} bytes")
    return data


def is_whole(digest: Digest, blobs: BlobStore) -> bool:
    """Whether a document is in the store, told by its bytes: who knows but its digest can't ask for its size."""
    return blobs.has(digest) and hashlib.sha256(blobs.path(digest).read_bytes()).hexdigest() == digest.hex


def _config(document: dict[str, object], digest: str) -> ImageConfig:
    try:
        return config_from_oci(cast("JsonObject", document))
    except (AttributeError, TypeError, ValueError) as error:
        raise StepError(f"the configuration of image {digest} is broken: {error}") from error


def _healthcheck(probe: HealthProbe) -> Json:
    """Durations in nanoseconds (https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md)."""
    return {
        "Test": ["CMD", *probe.command],
        "Interval": round(probe.interval * NANOSECONDS),
        "Timeout": round(probe.timeout * NANOSECONDS),
        "StartPeriod": round(probe.start_period * NANOSECONDS),
        "Retries": probe.retries,
    }


def _as_oci(blob: Descriptor) -> Descriptor:
    """The layer's descriptor under its OCI media type: the bytes are the same."""
    media = _DOCKER_LAYERS.get(blob.media_type, blob.media_type)
    if not media.startswith("application/vnd.oci.image.layer.v1.tar"):
        raise StepError(f"layer {blob.digest} is of type {media or 'unknown'}, which an OCI image can't hold")
    return Descriptor(media, blob.digest, blob.size)


def _named(layers: Sequence[Layer], given: Sequence[Layer]) -> tuple[Layer, ...]:
    return tuple(Layer(read.blob, read.diff_id, g.name) for read, g in zip(layers, given, strict=True))


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
