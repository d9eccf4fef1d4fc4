"""Checks of type ``structure``: the image's configuration and files, without starting it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.quantities import memory_bytes
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.steps.image_files import ImageFiles


def check_structure(
    settings: JsonObject, image: StoredImage, config: ImageConfig, blobs: BlobStore
) -> Iterator[str]:
    """One text per mismatch.

    Raises:
        StepError: a layer is missing or can't be read.
    """
    for name, read in VALUES.items():
        if name in settings and settings[name] != (got := read(config)):
            yield f"expected {name} {settings[name]}, got {got or 'none'}"
    yield from _pairs("environment variable", settings.get("env"), config.variables)
    yield from _pairs("label", settings.get("labels"), config.labels)
    exposed = {port.partition("/")[0] for port in config.exposed_ports}
    for port in _list(settings.get("ports")):
        if str(port) not in exposed:
            yield f"expected port {port} exposed, got {', '.join(sorted(exposed)) or 'none'}"
    yield from _size(settings, image)
    files = [f for f in _list(settings.get("files")) if isinstance(f, Mapping)]
    if files:
        found = ImageFiles(image.layers, blobs)
        for file in files:
            yield from _file(file, found)


VALUES: Mapping[str, Callable[[ImageConfig], Json]] = {
    "user": lambda config: config.user,
    "workdir": lambda config: config.working_dir,
    "entrypoint": lambda config: list(config.entrypoint),
    "command": lambda config: list(config.cmd),
}
"""Settings that must equal one value of the configuration."""


def _pairs(what: str, expected: Json, got: Mapping[str, str]) -> Iterator[str]:
    if not isinstance(expected, Mapping):
        return
    for name, value in expected.items():
        if got.get(name) != value:
            yield f"expected {what} {name}={value}, got {got.get(name, 'none')}"


def _size(settings: JsonObject, image: StoredImage) -> Iterator[str]:
    if "maxSize" not in settings:
        return
    size = sum(layer.blob.size for layer in image.layers)
    if size > memory_bytes(str(settings["maxSize"])):
        yield f"expected at most {settings['maxSize']} of layers, got {size / 1e6:.1f} MB"


def _file(expected: JsonObject, files: ImageFiles) -> Iterator[str]:
    path = str(expected.get("path"))
    found = files.find(path, follow=expected.get("type") != "link")
    if expected.get("exists") is False:
        if found is not None:
            yield f"{path}: expected none, got a {found.type}"
        return
    if found is None:
        yield f"{path}: expected in the image, got nothing"
        return
    if "mode" in expected and found.mode != int(str(expected["mode"]), 8):
        yield f"{path}: expected mode {expected['mode']}, got {found.mode:04o}"
    if "type" in expected and found.type != expected["type"]:
        yield f"{path}: expected a {expected['type']}, got a {found.type}"
    if "contains" in expected and not re.search(str(expected["contains"]), files.text(found), re.MULTILINE):
        yield f"{path}: expected text matching {expected['contains']!r}, got none"


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
