"""Bring an image into a Docker engine under its names: only the layers that it lacks travel."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from aac_plugins.oci.docker_api import Engine, MissingError
from aac_plugins.oci.docker_archive import write_archive
from aac_plugins.oci.documents import About, History, read_document, write_image
from aac_plugins.oci.manifests import parse_manifest
from aac_tasks.contracts.canonical import JsonObject, table
from aac_tasks.contracts.image import MEDIA_MANIFEST, Descriptor, Digest, Platform, StoredImage
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.contracts.tools import BlobStore, Tools
from aac_tasks.errors import StepError

TIMEOUT = 300.0
INSPECT_SECONDS = 30.0


@dataclass(frozen=True)
class Loaded:
    """The id under which the engine has the image, and the bytes of the archive it took; 0 when it had it already."""

    id: str
    sent: int = 0


def load_image(engine: Engine, image: StoredImage, names: Sequence[str], tools: Tools, *, like: Sequence[str] = ()) -> Loaded:
    """Let the engine have ``image`` under ``names`` (at least one); read back that it has.

    The image that the first name stands for until now, and those named in ``like`` (a base), tell which layers it has:
    one inspect by reference each, never a list. When it refuses an archive without those, all layers are sent.

    Raises:
        StepError: the engine refuses it, or shows another image under a name afterwards.
    """
    known = [inspect(engine, name, tools) for name in names]
    if all(_is(found, image) for found in known):
        return Loaded(str(known[0]["Id"]))
    candidates = (*known[:1], *(inspect(engine, name, tools) for name in like))
    skip = max(shared(found, image, tools.blobs) for found in candidates)
    if skip:
        try:
            return _load(engine, image, names, skip, tools)
        except StepError as error:
            tools.note(f"{engine.name} wants all layers of {names[0]}: {error.message}")
    return _load(engine, image, names, 0, tools)


def base_image(base: BaseImage, name: str, platform: Platform, blobs: BlobStore) -> StoredImage:
    """The base alone as an image, to be loaded under the name that a Dockerfile has behind FROM (``dockerfile_from``)."""
    history = tuple(History(f"base {name}") for _ in base.layers)
    return write_image(base.layers, base.config, blobs, platform=platform, about=About(history=history))


def inspect(engine: Engine, name: str, tools: Tools, *, timeout: float = INSPECT_SECONDS) -> JsonObject:
    """What the engine has under a name; empty when it has nothing."""
    try:
        return engine.table(tools, "GET", f"/images/{name}/json", timeout=str(timeout))
    except MissingError:
        return {}


def shared(known: JsonObject, image: StoredImage, blobs: BlobStore) -> int:
    """How many layers, from below, the engine has already in an image that it knows.

    The overlay2 store keeps unpacked layers, each known by its tar and all below it. Any other may be containerd's, which
    keeps blobs too and takes an archive without complaint although it lacks one: the image runs, but what is saved
    or pushed of it is torn (seen with Docker 26). So there only an image counts whose manifest is ours, by its blobs.
    """
    if table(known.get("GraphDriver")).get("Name") == "overlay2":
        there = table(known.get("RootFS")).get("Layers")
        return _common(there if isinstance(there, (list, tuple)) else (), [layer.diff_id for layer in image.layers])
    try:
        manifest = Descriptor(MEDIA_MANIFEST, Digest(str(known.get("Id"))), 0)
        loaded = parse_manifest(read_document(manifest, blobs), manifest.digest)
    except (StepError, ValueError):  # not there, or another document
        return 0
    return _common([blob.digest for blob in loaded.layers], [layer.blob.digest for layer in image.layers])


def _common(there: Sequence[object], here: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(there, here, strict=False)))


def _is(known: JsonObject, image: StoredImage) -> bool:
    """The id is the config's digest on overlay2, the manifest's on the containerd store."""
    return known.get("Id") in image.ids


def _load(engine: Engine, image: StoredImage, names: Sequence[str], without: int, tools: Tools) -> Loaded:
    """Send an archive that lacks the lowest ``without`` layers, and read back what the engine made of it."""
    with write_archive(image, names, tools.blobs, without=without) as archive:
        size = archive.seek(0, io.SEEK_END)
        archive.seek(0)
        tools.progress(f"loading {names[0]} into {engine.name}", 0, size)
        with engine.open(tools, "POST", "/images/load", archive, quiet="1", timeout=str(TIMEOUT)) as response:
            refused = next(_errors(response.read()), "")
    if refused:
        raise StepError(f"{engine.name} can't load {names[0]}: {refused}")
    known = [inspect(engine, name, tools) for name in names]
    for name, found in zip(names, known, strict=True):
        if not _is(found, image):
            raise StepError(f"{engine.name} took {name} ({image.manifest.digest.short}) and shows {found.get('Id', 'nothing')}")
    return Loaded(str(known[0]["Id"]), size)


def _errors(said: bytes) -> Iterator[str]:
    """Refusals within the stream of an answer that began with 200; one JSON object a line."""
    for line in said.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and value.get("error"):
            yield str(value["error"])
