"""``image.registry: folder:PATH``: images as files, blobs in ``PATH/sha256``, a tag is a file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from aac_plugins.oci.documents import read_image
from aac_plugins.oci.manifests import parse_manifest
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import MEDIA_MANIFEST, Digest, Platform, StoredImage
from aac_tasks.contracts.roles import Pushed, Registry
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl


class Folder:
    name = "folder"
    settings_schema: JsonObject | None = None

    def accepts(self, reference: str) -> bool:
        return reference.startswith("folder:")

    def push(self, image: StoredImage, reference: str, tools: Tools) -> Pushed:
        blobs = (*(layer.blob for layer in image.layers), image.config, image.manifest)
        new = [blob for blob in blobs if not _blob(reference, blob.digest, tools).exists()]
        for blob in new:
            target = _blob(reference, blob.digest, tools)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tools.blobs.path(blob.digest), target.with_suffix(".part")).replace(target)
        _tag(reference, tools).parent.mkdir(parents=True, exist_ok=True)
        _tag(reference, tools).write_text(image.manifest.digest)
        return Pushed(reference, Digest(_tag(reference, tools).read_text()), sum(b.size for b in new))

    def resolve(self, reference: str, tools: Tools) -> Digest | None:
        tag = _tag(reference, tools)
        return Digest(tag.read_text()) if tag.is_file() else None

    def pull(self, reference: str, platform: Platform, tools: Tools) -> StoredImage:
        digest = self.resolve(reference, tools)
        if digest is None:
            raise StepError(f"{reference} is not there", hint="push it first")
        data = _blob(reference, digest, tools).read_bytes()
        parsed = parse_manifest(data, digest)
        for blob in (parsed.config, *parsed.layers):
            path = _blob(reference, blob.digest, tools)
            tools.blobs.put(path.read_bytes(), media_type=blob.media_type, expect=blob.digest)
        return read_image(tools.blobs.put(data, media_type=MEDIA_MANIFEST, expect=digest), tools.blobs)


def _tag(reference: str, tools: Tools) -> Path:
    return tools.root.joinpath(*reference.removeprefix("folder:").rsplit(":", 2))


def _blob(reference: str, digest: Digest, tools: Tools) -> Path:
    return _tag(reference, tools).parents[1] / "sha256" / digest.hex


@hookimpl
def aac_register_registries() -> Sequence[Registry]:
    return [Folder()]
