"""Which language version an image brings, found in its configuration or in its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aac_plugins.oci.archive import open_layer
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.lock import BaseRequest
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError

_VARIABLES = {
    "python": "PYTHON_VERSION",
    "nodejs": "NODE_VERSION",
    "go": "GOLANG_VERSION",
    "rust": "RUST_VERSION",
    "java": "JAVA_VERSION",
}
"""What the languages' official images set (https://github.com/docker-library)."""

_PYTHON = re.compile(r"(?:\./)?((?:[\w.+-]+/)*bin/python)(3\.\d+)")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True)
class Found:
    """``version`` is empty where nothing was found; ``facts`` may hold ``python``, the interpreter's path."""

    version: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def find_language(runtime: str, image: StoredImage, config: ImageConfig, blobs: BlobStore) -> Found:
    """The version of ``runtime`` in ``image``, whose layers are in the store."""
    if runtime == "python" and (found := _python(image, blobs)).version:
        return found
    number = _NUMBER.search(config.variables.get(_VARIABLES.get(runtime, ""), ""))
    return Found(number.group() if number else "")


def check_language(request: BaseRequest, version: str) -> None:
    """StepError unless ``version`` is what was asked for (``3.12`` is answered by ``3.12.4``)."""
    if not request.version or version == request.version or version.startswith(f"{request.version}."):
        return
    there = f"it has {request.runtime} {version}" if version else f"no {request.runtime} was found in it"
    raise StepError(f"{request.reference} has no {request.runtime} {request.version}: {there}")


def _python(image: StoredImage, blobs: BlobStore) -> Found:
    """The highest interpreter of the top-most layer that has one; names of members are enough to see it."""
    for layer in reversed(image.layers):
        with open_layer(layer, blobs) as archive:
            matches = [m for member in archive if not member.isdir() and (m := _PYTHON.fullmatch(member.name))]
        if matches:
            best = max(matches, key=lambda m: (int(m[2].split(".")[1]), m[1]))
            return Found(best[2], {"python": f"/{best[1]}{best[2]}"})
    return Found()
