"""What step image says of what it built: one image, or one per platform behind an index."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import MEDIA_INDEX, Descriptor, StoredImage, local_name
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.result import Artifact, Result
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.engines import EngineBuilder
    from aac_tasks.contracts.roles import Builder
    from aac_tasks.contracts.tools import BlobStore, Tools

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm", "i686": "386"}
"""uname(2)'s names of CPUs → Go's."""


def built(images: Sequence[StoredImage], builder: str, blobs: BlobStore) -> Result:
    """The step's result. ``image`` is the first platform's; with several there are ``images`` and their ``index``, whose
    digest is then the ``digest``.
    """
    image = images[0]
    digest, content, several = image.manifest.digest, image.content_digest, dict[str, Json]()
    kept = [blob for one in images for blob in one.blobs]
    if len(images) > 1:
        from aac_tasks.contracts.oci_index import common_content, index_document  # lazy: most images have one platform

        index = blobs.put(index_document(images), media_type=MEDIA_INDEX)
        kept.append(index)
        digest, content = index.digest, common_content(images)
        several = {"index": encode(index), "images": encode(tuple(images)), "platforms": [str(i.platform) for i in images]}
    different = {b.digest: b for b in kept}.values()
    layers: list[Json] = [{"name": x.name, "digest": x.blob.digest, "size": x.blob.size} for x in image.layers]
    return Result(
        outputs={
            "digest": digest,
            "content_digest": content,
            "image": encode(image),
            "layers": layers,
            "size": sum(b.size for b in different),
            "builder": builder,
            **several,
        },
        artifacts=tuple(Artifact("blob", digest=b.digest, size=b.size) for b in different),
    )


def with_engine(result: Result, builder: Builder, agent: str, tools: Tools) -> Result:
    """The result, with the image of this machine's platform loaded into the builder's engine, where it has one.

    An engine that is not there is no failure of the build: the image is in the store, and what runs it there loads it.
    """
    if not hasattr(builder, "load"):
        return result
    image = image_here(result.outputs)
    with tools.blobs.open(image.config.digest) as file:
        name = local_name(config_from_oci(json.load(file)), agent)
    try:
        loaded = cast("EngineBuilder", builder).load(image, name, tools)
    except StepError as error:
        tools.note(f"{name} is not loaded into {builder.name}: {error.message}")
        return result
    return replace(result, artifacts=(*result.artifacts, loaded))


def image_here(outputs: Mapping[str, Json]) -> StoredImage:
    """The image that this machine can run: that of its platform, else the first."""
    return of_this_machine(images_of(outputs))


def of_this_machine(images: Sequence[StoredImage]) -> StoredImage:
    """The one of its platform, else the first."""
    if len(images) == 1:
        return images[0]
    from aac_tasks.contracts.oci_index import for_platform  # lazy, as above

    return for_platform(images, architecture())


def architecture() -> str:
    """This machine's CPU, as Go calls it."""
    machine = os.uname().machine
    return ARCHITECTURES.get(machine, machine)


def index_of(outputs: Mapping[str, Json]) -> tuple[Descriptor, tuple[StoredImage, ...]] | None:
    """The index and its images, None for an image of one platform."""
    return (decode(Descriptor, outputs["index"]), images_of(outputs)) if outputs.get("index") else None


def images_of(outputs: Mapping[str, Json]) -> tuple[StoredImage, ...]:
    """One for each platform."""
    several = outputs.get("images")
    if not isinstance(several, (list, tuple)):
        return (decode(StoredImage, outputs.get("image")),)
    return tuple(decode(StoredImage, one) for one in several)
