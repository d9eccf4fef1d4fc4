"""Documents of strangers: what is read, what is refused, which platform is chosen."""

from __future__ import annotations

import json

import pytest
from plugins.oci.oci_bench import Shop, file_of

from aac_plugins.oci.documents import About, content_digest, read_image, write_image
from aac_plugins.oci.manifests import IndexEntry, choose, index_to_json, parse_index, parse_manifest
from aac_tasks.contracts.canonical import canonical
from aac_tasks.contracts.image import (
    MEDIA_CONFIG,
    MEDIA_DOCKER_MANIFEST,
    MEDIA_LAYER_GZIP,
    MEDIA_MANIFEST,
    Descriptor,
    Digest,
    HealthProbe,
    ImageConfig,
    Layer,
    Platform,
)
from aac_tasks.errors import StepError

DIGEST = Digest(f"sha256:{'a' * 64}")
CONFIG = {"mediaType": MEDIA_CONFIG, "digest": DIGEST, "size": 2}
LAYER = {"mediaType": MEDIA_LAYER_GZIP, "digest": DIGEST, "size": 3}
GOOD: dict[str, object] = {
    "schemaVersion": 2,
    "mediaType": MEDIA_MANIFEST,
    "config": CONFIG,
    "layers": [LAYER],
}


def manifest_with(**changes: object) -> bytes:
    return json.dumps({k: v for k, v in {**GOOD, **changes}.items() if v is not None}).encode()


def test_a_manifest_without_a_media_type_is_an_image() -> None:
    assert parse_manifest(manifest_with(mediaType=None), DIGEST).layers[0].size == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html>", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "is no JSON object"),
        (manifest_with(schemaVersion=1), "is no image manifest (schema 1"),
        (manifest_with(mediaType="application/vnd.oci.image.index.v1+json"), "is no image manifest"),
        (manifest_with(config=None), "expected a descriptor, got None"),
        (
            manifest_with(config={**CONFIG, "mediaType": "application/vnd.cncf.helm.config.v1+json"}),
            "to an artifact",
        ),
        (manifest_with(layers=None), "lists no layers"),
        (manifest_with(layers=[{**LAYER, "size": -1}]), "size is -1"),
        (manifest_with(layers=[{**LAYER, "size": True}]), "size is True"),
        (manifest_with(layers=[{**LAYER, "digest": "sha256:../../etc"}]), "is not a digest"),
        (manifest_with(layers=[{**LAYER, "digest": "sha512:" + "a" * 128}]), "is not a digest"),
    ],
)
def test_what_is_no_image_manifest_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(StepError) as caught:
        parse_manifest(data, DIGEST)
    assert message in str(caught.value)


def test_the_platform_of_an_index_is_chosen_and_what_there_is_named() -> None:
    def entry(number: int, platform: str) -> IndexEntry:
        digest = Digest(f"sha256:{str(number) * 64}")
        return IndexEntry(Descriptor(MEDIA_MANIFEST, digest, 1), Platform.parse(platform) if platform else None)

    entries = parse_index(
        canonical(
            index_to_json(
                [
                    entry(1, "linux/amd64"),
                    entry(2, "linux/arm64/v8"),
                    entry(3, "linux/arm/v7"),
                    entry(4, "unknown/unknown"),
                    entry(5, ""),
                ]
            )
        ),
        DIGEST,
    )
    assert choose(entries, Platform.parse("linux/amd64"), "x").digest == f"sha256:{'1' * 64}"
    assert choose(entries, Platform.parse("linux/arm64"), "x").digest == f"sha256:{'2' * 64}"
    with pytest.raises(
        StepError,
        match=r"x has no image for linux/arm/v6; it has: linux/amd64, linux/arm64/v8, linux/arm/v7$",
    ):
        choose(entries, Platform.parse("linux/arm/v6"), "x")


def test_an_image_that_is_read_back_is_the_one_that_was_written(shop: Shop) -> None:
    probe = HealthProbe("command", command=("/bin/true",), interval=1.5, timeout=2.0, retries=5, start_period=0.25)
    config = ImageConfig(("A=1",), ("/x",), ("y",), "1:2", "/w", ("1/tcp",), ("/v",), {"l": "1"}, "SIGINT", probe)
    image = write_image([shop.layer(file_of("x"))], config, shop.blobs, platform=Platform(), about=About(created=0))
    assert read_image(image.manifest, shop.blobs).content_digest == image.content_digest
    assert content_digest(image.layers, config, image.platform) == image.content_digest


def test_dockers_layer_types_become_oci_ones(shop: Shop) -> None:
    layer = shop.layer(file_of("x"))
    blob = Descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer.blob.digest, layer.blob.size)
    image = write_image([Layer(blob, layer.diff_id)], ImageConfig(), shop.blobs, platform=Platform(), about=About())
    assert [x.blob.media_type for x in image.layers] == [MEDIA_LAYER_GZIP]
    elsewhere = Descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", blob.digest, blob.size)
    with pytest.raises(StepError, match="which an OCI image can't hold"):
        write_image([Layer(elsewhere, layer.diff_id)], ImageConfig(), shop.blobs, platform=Platform(), about=About())


def test_a_docker_manifest_is_read(shop: Shop) -> None:
    layer = shop.layer(file_of("x"))
    rootfs = {"type": "layers", "diff_ids": [str(layer.diff_id)]}
    config = shop.blobs.put(canonical({"os": "linux", "architecture": "amd64", "rootfs": rootfs}), media_type="")
    document = {
        "schemaVersion": 2,
        "mediaType": MEDIA_DOCKER_MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": str(config.digest),
            "size": config.size,
        },
        "layers": [{"mediaType": "x", "digest": str(layer.blob.digest), "size": layer.blob.size}],
    }
    manifest = shop.blobs.put(json.dumps(document).encode(), media_type=MEDIA_DOCKER_MANIFEST)
    assert read_image(manifest, shop.blobs).layers[0].diff_id == layer.diff_id


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rootfs": {"diff_ids": []}}, "diff_ids do not match 1 layers"),
        ({"rootfs": []}, "diff_ids do not match 1 layers"),
        ({"rootfs": {"diff_ids": ["md5:x"]}}, "is not a digest"),
        (
            {"rootfs": {"diff_ids": [DIGEST]}, "config": {"Labels": ["x"]}},
            "configuration of image .* is broken",
        ),
    ],
)
def test_a_broken_configuration_is_refused(shop: Shop, config: dict[str, object], message: str) -> None:
    stored = shop.blobs.put(json.dumps(config).encode(), media_type=MEDIA_CONFIG)
    data = manifest_with(config={**CONFIG, "digest": stored.digest, "size": stored.size})
    with pytest.raises(StepError, match=message):
        read_image(shop.blobs.put(data, media_type=MEDIA_MANIFEST), shop.blobs)


def test_an_image_of_a_layer_that_is_not_in_the_store_is_refused(shop: Shop) -> None:
    gone = Layer(Descriptor(MEDIA_LAYER_GZIP, DIGEST, 1), DIGEST, "gone")
    with pytest.raises(StepError, match="layer gone is not in the blob store"):
        write_image([gone], ImageConfig(), shop.blobs, platform=Platform(), about=About())
