"""An OCI image index of one image per platform (image-spec, image-index.md). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from aac_tasks.contracts.canonical import JsonObject, canonical, fingerprint
from aac_tasks.contracts.image import MEDIA_INDEX, Descriptor, Digest, Platform, StoredImage


def index_document(images: Sequence[StoredImage]) -> bytes:
    """The index's bytes: equal images in equal order are equal bytes."""
    manifests: list[JsonObject] = [
        {
            "mediaType": image.manifest.media_type,
            "digest": str(image.manifest.digest),
            "size": image.manifest.size,
            "platform": _platform(image.platform),
        }
        for image in images
    ]
    return canonical({"schemaVersion": 2, "mediaType": MEDIA_INDEX, "manifests": manifests})


def index_descriptor(images: Sequence[StoredImage]) -> Descriptor:
    """What names that document."""
    data = index_document(images)
    return Descriptor(MEDIA_INDEX, Digest(f"sha256:{hashlib.sha256(data).hexdigest()}"), len(data))


def common_content(images: Sequence[StoredImage]) -> Digest:
    """Digest of what all the images do."""
    return Digest(f"sha256:{fingerprint([image.content_digest for image in images])}")


def for_platform(images: Sequence[StoredImage], architecture: str) -> StoredImage:
    """The image for a CPU (Go's name), else the first."""
    return next((image for image in images if image.platform.architecture == architecture), images[0])


def _platform(platform: Platform) -> JsonObject:
    variant = {"variant": platform.variant} if platform.variant else {}
    return {"os": platform.os, "architecture": platform.architecture, **variant}
