"""``image.registry: folder:PATH``: blobs in ``PATH/sha256``, a tag is a file; setting ``link``: hard links, no copies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from aac_plugins.oci import documents, manifests
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import MEDIA_MANIFEST, Digest, Platform, StoredImage
from aac_tasks.contracts.roles import Pushed, Registry
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl


class Folder:
    name = "folder"
    settings_schema: JsonObject | None = {"properties": {"link": {"type": "boolean"}}, "additionalProperties": False}

    def accepts(self, reference: str) -> bool:
        return reference.startswith("folder:")

    def push(self, image: StoredImage, reference: str, tools: Tools, settings: JsonObject | None = None) -> Pushed:
        blobs, tag = _where(reference, tools)
        every = (*(layer.blob for layer in image.layers), image.config, image.manifest)
        new = [b for b in every if not (blobs / b.digest.hex).exists()]
        blobs.mkdir(parents=True, exist_ok=True)
        for blob in new:
            with tools.blobs.open(blob.digest) as data:
                (os.link if (settings or {}).get("link") else shutil.copyfile)(data.name, blobs / "part")
            (blobs / "part").replace(blobs / blob.digest.hex)
        tag.parent.mkdir(parents=True, exist_ok=True)
        tag.write_text(image.manifest.digest)
        return Pushed(reference, Digest(tag.read_text()), sum(blob.size for blob in new))

    def resolve(self, reference: str, tools: Tools) -> Digest | None:
        tag = _where(reference, tools)[1]
        return Digest(tag.read_text()) if tag.is_file() else None

    def pull(self, reference: str, platform: Platform, tools: Tools) -> StoredImage:
        blobs, digest = _where(reference, tools)[0], self.resolve(reference, tools)
        if digest is None:
            raise StepError(f"{reference} is not there", hint="push it first")
        parsed = manifests.parse_manifest(manifest := (blobs / digest.hex).read_bytes(), digest)
        for blob in (parsed.config, *parsed.layers):
            tools.blobs.put((blobs / blob.digest.hex).read_bytes(), media_type=blob.media_type, expect=blob.digest)
        return documents.read_image(tools.blobs.put(manifest, media_type=MEDIA_MANIFEST, expect=digest), tools.blobs)


def _where(reference: str, tools: Tools) -> tuple[Path, Path]:
    top, name, tag = reference.removeprefix("folder:").rsplit(":", 2)
    return tools.root / top / "sha256", tools.root / top / name / tag


@hookimpl
def aac_register_registries() -> list[Registry]:
    return [Folder()]
