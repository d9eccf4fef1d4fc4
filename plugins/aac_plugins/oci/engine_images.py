"""An image that an engine built → its layers in the blob store, those that are known already left where they are.

Source of the archive's shape: https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format
(``manifest.json`` names the configuration and the layers' files, whatever else is in it). Podman writes the same.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from aac_plugins.oci.layer import LAYER_FORMAT, write_tar
from aac_plugins.oci.manifests import json_object
from aac_tasks.contracts.canonical import Json, JsonObject, fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import MEDIA_LAYER_GZIP, Digest, ImageConfig, Layer
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.tools import Tools

Save = Callable[[Path], None]
"""Writes the engine's archive of the image to a path."""

_CHUNK = 1 << 20


def import_image(shown: JsonObject, known: Sequence[Layer], save: Save, name: str, tools: Tools) -> BaseImage:
    """The image that the engine shows as ``shown`` (its inspect answer), with all layers in the store.

    ``known`` are layers that are there already. The archive is asked for only when another layer is missing; layers get
    ``name``. StepError when the archive is not what the engine showed.
    """
    diff_ids = _diff_ids(shown)
    there = {layer.diff_id: layer for layer in known}
    found = {d: layer for d in diff_ids if (layer := there.get(d) or _remembered(d, tools)) is not None}
    missing = [d for d in diff_ids if d not in found]
    if missing:
        with tools.scratch() as scratch:
            archive = scratch / "image.tar"
            save(archive)
            found.update(_imported(archive, missing, Taking(name, tools, scratch)))
    layers = tuple(layer if layer.diff_id in there else replace(layer, name=name) for layer in (found[d] for d in diff_ids))
    return BaseImage(layers, _config(shown))


def _diff_ids(shown: JsonObject) -> list[Digest]:
    table = shown.get("RootFS")
    listed = table.get("Layers") if isinstance(table, Mapping) else None
    return [Digest(str(item)) for item in listed or ()] if isinstance(listed, (list, tuple)) else []


def _config(shown: JsonObject) -> ImageConfig:
    """As the engine shows it; a health check for the image's own shell is kept as the command that it is."""
    shown_config = shown.get("Config")
    table: dict[str, Json] = dict(shown_config) if isinstance(shown_config, Mapping) else {}
    check = table.get("Healthcheck") or shown.get("HealthCheck")  # Podman shows it beside the configuration
    if isinstance(check, Mapping):
        table["Healthcheck"] = {**check, "Test": _without_shell_form(check.get("Test"))}
    return config_from_oci({"config": table})


def _without_shell_form(test: Json) -> Json:
    if isinstance(test, (list, tuple)) and len(test) == 2 and test[0] == "CMD-SHELL":
        return ["CMD", "/bin/sh", "-c", test[1]]
    return test


def _memo(diff_id: Digest) -> str:
    return fingerprint(["layer of an engine", LAYER_FORMAT, diff_id])


def _remembered(diff_id: Digest, tools: Tools) -> Layer | None:
    text = tools.blobs.memo(_memo(diff_id))
    try:
        layer = decode(Layer, json.loads(text)) if text is not None else None
    except ValueError:
        return None
    return layer if layer is not None and tools.blobs.has(layer.blob) else None


@dataclass(frozen=True)
class Taking:
    """Where layers go that are taken out of an archive, and what they are called."""

    name: str
    tools: Tools
    scratch: Path


def _imported(archive: Path, missing: Sequence[Digest], taking: Taking) -> Iterator[tuple[Digest, Layer]]:
    try:
        with tarfile.open(archive, "r:") as tar:
            wanted = [(d, member) for d, member in _listed(tar) if d in missing]
            yield from ((diff_id, _taken(tar, diff_id, member, taking)) for diff_id, member in wanted)
    except (tarfile.TarError, OSError, KeyError, EOFError) as error:
        raise StepError(f"the engine's archive can't be read: {error}") from error


def _taken(tar: tarfile.TarFile, diff_id: Digest, member: str, taking: Taking) -> Layer:
    taking.tools.progress(f"taking layer {diff_id.short} from the engine")
    layer = _layer(tar, member, taking)
    if layer.diff_id != diff_id:
        raise StepError(f"the engine saved layer {layer.diff_id} where it shows {diff_id}")
    taking.tools.blobs.remember(_memo(diff_id), json.dumps(encode(layer)))
    return layer


def _listed(tar: tarfile.TarFile) -> list[tuple[Digest, str]]:
    """Each layer's diff_id and its file in the archive."""
    manifest = json.loads(_read(tar, "manifest.json"))[0]
    config = json_object(_read(tar, manifest["Config"]), "the configuration of the engine's image")
    rootfs = config["rootfs"]
    diff_ids = [Digest(str(d)) for d in rootfs["diff_ids"]] if isinstance(rootfs, dict) else []
    if len(diff_ids) != len(manifest["Layers"]):
        raise StepError("the engine's archive does not hold every layer of its image")
    return list(zip(diff_ids, manifest["Layers"], strict=True))


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    return _opened(tar, name).read()


def _opened(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise StepError(f"the engine's archive has no file {name}")
    return file


def _layer(tar: tarfile.TarFile, member: str, taking: Taking) -> Layer:
    """A gzip layer is kept as it is, so that the engine knows its blob again; a plain tar is compressed."""
    file = _opened(tar, member)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if not packed:
        return write_tar(_pieces(file), taking.tools.blobs, taking.scratch, name=taking.name)
    plain = hashlib.sha256()
    for piece in _pieces(cast("IO[bytes]", gzip.GzipFile(fileobj=file))):
        plain.update(piece)
    file.seek(0)
    blob = taking.tools.blobs.put(_pieces(file), media_type=MEDIA_LAYER_GZIP)
    return Layer(blob, Digest(f"sha256:{plain.hexdigest()}"), taking.name)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        yield piece
