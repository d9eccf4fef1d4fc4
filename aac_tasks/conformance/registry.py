"""Any registry: what is pushed is there, whole, under its name, and somebody else can pull it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from aac_tasks.conformance.lending import Lending, Lent, lend
from aac_tasks.contracts.canonical import JsonObject, canonical
from aac_tasks.contracts.image import (
    MEDIA_CONFIG,
    MEDIA_LAYER_GZIP,
    MEDIA_MANIFEST,
    Descriptor,
    Digest,
    Layer,
    Platform,
    StoredImage,
)
from aac_tasks.contracts.roles import Registry
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError

AMD64 = Platform()


@dataclass(frozen=True)
class RegistryUnderTest:
    """A registry and a ``reference`` with a tag that nobody else uses; ``settings`` are those of ``spec.image.<name>``.

    ``foreign`` are references that are not its own.
    """

    registry: Registry
    reference: str
    settings: JsonObject | None = None
    foreign: Sequence[str] = ()


class RegistryConformance(Lending):
    """Subclass it with a fixture ``subject``."""

    def test_it_takes_its_own_references_and_no_others(self, subject: RegistryUnderTest) -> None:
        """``accepts`` tells them apart without asking anybody."""
        assert subject.registry.accepts(subject.reference)
        assert [f for f in subject.foreign if subject.registry.accepts(f)] == []

    def test_a_tag_that_was_never_pushed_has_no_digest(self, subject: RegistryUnderTest, lent: Lent) -> None:
        """None, and no error."""
        assert subject.registry.resolve(subject.reference, lent.tools) is None

    def test_what_is_pushed_can_be_resolved(self, subject: RegistryUnderTest, lent: Lent) -> None:
        """The tag's digest is the manifest's, in the answer of the push and afterwards."""
        image = small_image(lent.blobs, "one")
        pushed = subject.registry.push(image, subject.reference, lent.tools, subject.settings)
        assert pushed.digest == image.manifest.digest
        assert subject.registry.resolve(subject.reference, lent.tools) == image.manifest.digest
        assert subject.registry.resolve(pushed.ref, lent.tools) == image.manifest.digest

    def test_somebody_with_an_empty_store_pulls_the_same_image(
        self, subject: RegistryUnderTest, lent: Lent, tmp_path: Path
    ) -> None:
        """Every blob arrives, byte for byte."""
        image = small_image(lent.blobs, "pulled")
        subject.registry.push(image, subject.reference, lent.tools, subject.settings)
        there = lend(tmp_path / "there", lent.shop.environment)
        pulled = subject.registry.pull(subject.reference, image.platform, replace(there.tools, root=lent.tools.root))
        assert pulled.manifest.digest == image.manifest.digest
        for blob in pulled.blobs:
            assert there.blobs.path(blob.digest).read_bytes() == lent.blobs.path(blob.digest).read_bytes()

    def test_a_tag_moves_to_what_was_pushed_last(self, subject: RegistryUnderTest, lent: Lent) -> None:
        """And what was pushed before is no error."""
        first, second = small_image(lent.blobs, "first"), small_image(lent.blobs, "second")
        for image in (first, second, second):
            subject.registry.push(image, subject.reference, lent.tools, subject.settings)
        assert subject.registry.resolve(subject.reference, lent.tools) == second.manifest.digest

    def test_what_is_there_already_does_not_travel_again(self, subject: RegistryUnderTest, lent: Lent) -> None:
        """``sent`` counts bytes of blobs: none the second time."""
        image = small_image(lent.blobs, "again")
        first = subject.registry.push(image, subject.reference, lent.tools, subject.settings)
        again = subject.registry.push(image, subject.reference, lent.tools, subject.settings)
        assert again.sent == 0
        assert first.sent >= image.layers[0].blob.size

    def test_an_image_that_lacks_a_blob_is_not_pushed(self, subject: RegistryUnderTest, lent: Lent) -> None:
        """StepError, and the tag does not name it."""
        image = small_image(lent.blobs, "torn")
        lent.blobs.path(image.layers[0].blob.digest).unlink()
        with pytest.raises(StepError):
            subject.registry.push(image, subject.reference, lent.tools, subject.settings)
        assert subject.registry.resolve(subject.reference, lent.tools) != image.manifest.digest

    def test_a_pull_of_nothing_is_a_clear_error(self, subject: RegistryUnderTest, lent: Lent) -> None:
        """StepError that says which reference."""
        with pytest.raises(StepError):
            subject.registry.pull(subject.reference, Platform(), lent.tools)


def small_image(blobs: BlobStore, text: str, platform: Platform = AMD64) -> StoredImage:
    """An image of one layer with one file, in the store (image-spec v1.1 manifest.md, config.md, layer.md)."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("hello.txt")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    diff_id = Digest(f"sha256:{hashlib.sha256(tar.getvalue()).hexdigest()}")
    blob = blobs.put(gzip.compress(tar.getvalue(), mtime=0), media_type=MEDIA_LAYER_GZIP)
    document: JsonObject = {
        "os": platform.os,
        "architecture": platform.architecture,
        "config": {"Entrypoint": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    config = blobs.put(canonical(document), media_type=MEDIA_CONFIG)
    manifest: JsonObject = {
        "schemaVersion": 2,
        "mediaType": MEDIA_MANIFEST,
        "config": _descriptor(config),
        "layers": [_descriptor(blob)],
    }
    stored = blobs.put(json.dumps(manifest).encode(), media_type=MEDIA_MANIFEST)
    return StoredImage(stored, config, (Layer(blob, diff_id),), platform, diff_id)


def _descriptor(blob: Descriptor) -> JsonObject:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
