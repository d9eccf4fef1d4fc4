"""Bring an image into a Docker engine: only the layers that it lacks travel.

The archive is an OCI layout and a ``docker save`` archive at once (index.json, manifest.json, the blobs), which both
stores of the engine read. A layer that the engine has already may be left out; when it says that a blob is missing after
all, everything is sent.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

from aac_plugins.runners.docker_api import Engine, MissingError
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.image import MEDIA_INDEX, Descriptor, ImageConfig, Layer, StoredImage
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

TIMEOUT = 300.0


def local_name(config: ImageConfig, fallback: str) -> str:
    """``name:version`` from the image's labels, as ``docker images`` shows it."""
    name = config.labels.get("dev.agent.name") or config.labels.get("org.opencontainers.image.title") or fallback
    version = config.labels.get("org.opencontainers.image.version") or "latest"
    return f"{name.lower()}:{re.sub(r'[^A-Za-z0-9_.-]', '-', version)[:128]}"


def load_image(engine: Engine, image: StoredImage, name: str, tools: Tools) -> str:
    """The id under which the engine has the image, tagged ``name``; nothing travels when it has it already.

    Raises:
        StepError: the engine refuses it, or shows another image under that name afterwards.
    """
    known = inspect(engine, name, tools)
    if _is(known, image):
        return str(known["Id"])
    skip = shared(known, image.layers)
    if skip:
        try:
            _send(engine, image, name, image.layers[skip:], tools)
        except StepError as error:
            tools.note(f"docker wants all layers: {error.message}")
        else:
            known = inspect(engine, name, tools)
            if _is(known, image):
                return str(known["Id"])
    _send(engine, image, name, image.layers, tools)
    known = inspect(engine, name, tools)
    if not _is(known, image):
        raise StepError(f"docker took {name} ({image.manifest.digest.short}) and shows {known.get('Id', 'nothing')}")
    return str(known["Id"])


def inspect(engine: Engine, name: str, tools: Tools) -> JsonObject:
    """What the engine has under a name; empty when it has nothing."""
    try:
        return engine.table(tools, "GET", f"/images/{name}/json")
    except MissingError:
        return {}


def shared(known: JsonObject, layers: tuple[Layer, ...]) -> int:
    """How many layers, from below, are those of an image that the engine has."""
    root = known.get("RootFS")
    there = root.get("Layers") if isinstance(root, Mapping) else None
    if not isinstance(there, (list, tuple)):
        return 0
    count = 0
    for one, layer in zip(there, layers, strict=False):
        if one != layer.diff_id:
            break
        count += 1
    return count


def _is(known: JsonObject, image: StoredImage) -> bool:
    """The id is the config's digest on overlay2, the manifest's on the containerd store."""
    return known.get("Id") in (image.config.digest, image.manifest.digest)


def _send(engine: Engine, image: StoredImage, name: str, layers: tuple[Layer, ...], tools: Tools) -> None:
    with tools.scratch() as folder:
        archive = folder / "image.tar"
        write_archive(archive, image, name, layers, tools)
        size = archive.stat().st_size
        tools.progress(f"loading {name} into docker", 0, size)
        with (
            archive.open("rb") as body,
            engine.open(tools, "POST", "/images/load", body, quiet="1", timeout=str(TIMEOUT)) as response,
        ):
            said = response.read().decode("utf-8", "replace")
    for line in said.splitlines():
        problem = _error(line)
        if problem:
            raise StepError(f"docker can't load {name}: {problem}")


def _error(line: str) -> str:
    try:
        value = json.loads(line)
    except ValueError:
        return ""
    return str(value.get("error") or "") if isinstance(value, dict) else ""


def write_archive(file: Path, image: StoredImage, name: str, layers: tuple[Layer, ...], tools: Tools) -> None:
    """The archive, with the blobs of ``layers`` only. ``name`` is tagged on load."""
    blobs = [image.manifest, image.config, *(layer.blob for layer in layers)]
    full = f"docker.io/library/{name}" if "/" not in name else name
    note: dict[str, Json] = {"io.containerd.image.name": full, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index: Json = {
        "schemaVersion": 2,
        "mediaType": MEDIA_INDEX,
        "manifests": [{**_descriptor(image.manifest), "annotations": note}],
    }
    manifest: Json = [
        {
            "Config": _path(image.config),
            "RepoTags": [name],
            "Layers": [_path(layer.blob) for layer in image.layers],
        }
    ]
    with tarfile.open(file, "w") as tar:
        _add(tar, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(tar, "index.json", json.dumps(index).encode())
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        for blob in blobs:
            member = tarfile.TarInfo(_path(blob))
            member.size = blob.size
            with tools.blobs.open(blob.digest) as data:
                tar.addfile(member, data)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _path(blob: Descriptor) -> str:
    return f"blobs/sha256/{blob.digest.hex}"


def _descriptor(blob: Descriptor) -> dict[str, Json]:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
