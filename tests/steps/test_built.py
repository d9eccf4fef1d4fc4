"""What step image says of what it built, for one platform and for several."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from plugins.oci.tiny_image import RECIPE, Yard, build

from aac_tasks.contracts.image import Platform, StoredImage
from aac_tasks.steps.built import ARCHITECTURES, built, image_here, index_of


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def images(yard: Yard) -> tuple[StoredImage, StoredImage]:
    """The one that this machine can run comes second."""
    here = ARCHITECTURES.get(os.uname().machine, "amd64")
    other = next(a for a in ("s390x", "arm64") if a != here)
    first, second = (build(yard, replace(RECIPE, platform=Platform("linux", a))) for a in (other, here))
    return first, second


def test_one_platform_is_its_image(yard: Yard) -> None:
    image = build(yard)
    result = built([image], "embedded", yard.blobs)
    assert result.outputs["digest"] == image.manifest.digest
    assert result.outputs["content_digest"] == image.content_digest
    assert image_here(result.outputs) == image
    assert index_of(result.outputs) is None


def test_several_platforms_are_an_index_and_this_machine_takes_its_own(yard: Yard) -> None:
    first, second = images(yard)
    outputs = json.loads(json.dumps(built([first, second], "embedded", yard.blobs).outputs))
    assert image_here(outputs) == second
    found = index_of(outputs)
    assert found is not None
    assert found[1] == (first, second)
    assert outputs["digest"] == found[0].digest not in (first.manifest.digest, second.manifest.digest)
    document = json.loads(yard.blobs.path(found[0].digest).read_bytes())
    assert [m["platform"]["architecture"] for m in document["manifests"]] == [p.platform.architecture for p in (first, second)]


def test_the_content_of_several_is_that_of_each(yard: Yard) -> None:
    first, second = images(yard)
    digest = built([first, second], "embedded", yard.blobs).outputs["content_digest"]
    other = build(yard, replace(RECIPE, platform=second.platform, env={}))
    assert built([first, other], "embedded", yard.blobs).outputs["content_digest"] != digest


def test_every_blob_of_every_platform_must_stay(yard: Yard) -> None:
    first, second = images(yard)
    kept = {a.digest for a in built([first, second], "embedded", yard.blobs).artifacts}
    assert {first.config.digest, second.config.digest, first.manifest.digest, second.manifest.digest} < kept
    assert len(kept) == len({layer.blob.digest for layer in (*first.layers, *second.layers)}) + 5
