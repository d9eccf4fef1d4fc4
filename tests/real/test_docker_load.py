"""Images of ours in a real engine, with both of its image stores: what travels, and that it runs afterwards."""

from __future__ import annotations

import gzip
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from real.dockerd import Engine
from runner_stage import WEB, Stage, busybox

from aac_plugins.oci.docker_api import engine_of
from aac_plugins.oci.docker_load import base_image, load_image
from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.errors import StepError

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]

PAGE = "www/index.html"
DOCUMENTS = 20_000
"""Bytes that may travel beside the changed layer: manifest, configuration, indices, and the tar around them."""


@pytest.fixture(params=["docker_engine", "containerd_engine"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    return engine


@pytest.fixture
def stage(engine: Engine, tmp_path: Path) -> Stage:
    return Stage(tmp_path, environment={**os.environ, **engine.env})


def page(engine: Engine, name: str) -> str:
    """What `docker run NAME` shows of the image."""
    ran = engine.docker("run", "--rm", "--network=none", "--entrypoint=/bin/cat", name, f"/{PAGE}")
    return ran.ok().stdout


def load(stage: Stage, image: StoredImage, *names: str, like: tuple[str, ...] = ()) -> int:
    loaded = load_image(engine_of(stage.tools), image, names, stage.tools, like=like)
    assert loaded.id in (image.config.digest, image.manifest.digest)
    return loaded.sent


def on_a_base_of_its_own(stage: Stage, text: bytes) -> StoredImage:
    """An image whose base no other test has loaded."""
    with stage.blobs.scratch() as scratch:
        entries = [*busybox(), Entry("own", "file", data=text)]
        base = write_layer(entries, stage.blobs, scratch, name="base", created=0)
    above = stage.image(WEB, {PAGE: text})
    return write_image((base, *above.layers[1:]), WEB, stage.blobs, platform=above.platform, about=About())


def test_after_a_one_line_edit_only_the_changed_layer_travels_and_the_image_runs(stage: Stage, engine: Engine) -> None:
    before = stage.image(WEB, {PAGE: b"one\n"})
    names = ("greeter:1.2", "greeter", "localhost:5000/team/greeter:1.2")
    assert load(stage, before, *names) > sum(layer.blob.size for layer in before.layers)
    assert [page(engine, name) for name in names] == ["one\n"] * 3

    after = stage.image(WEB, {PAGE: b"two\n"})
    assert load(stage, after, *names) <= after.layers[1].blob.size + DOCUMENTS < after.layers[0].blob.size
    assert [page(engine, name) for name in names] == ["two\n"] * 3
    assert stage.notes == []


def test_what_the_engine_has_already_does_not_travel(stage: Stage) -> None:
    image = stage.image(WEB, {PAGE: b"again\n"})
    assert load(stage, image, "again:1") > 0
    for layer in image.layers:
        stage.blobs.path(layer.blob.digest).unlink()
    assert load(stage, image, "again:1") == 0


def test_a_changed_label_sends_no_layer(stage: Stage, engine: Engine) -> None:
    image = stage.image(WEB, {PAGE: b"label\n"})
    load(stage, image, "labelled:1")
    for layer in image.layers:
        stage.blobs.path(layer.blob.digest).unlink()
    again = stage.image(replace(WEB, labels={"a": "b"}), {PAGE: b"label\n"})
    assert load(stage, again, "labelled:1") <= DOCUMENTS
    assert page(engine, "labelled:1") == "label\n"


def test_a_name_that_was_given_to_another_image_is_taken_back(stage: Stage, engine: Engine) -> None:
    image = stage.image(WEB, {PAGE: b"mine\n"})
    load(stage, image, "moved:1")
    load(stage, stage.image(WEB, {PAGE: b"other\n"}), "other:1")
    engine.docker("tag", "other:1", "moved:1").ok()
    assert page(engine, "moved:1") == "other\n"
    load(stage, image, "moved:1")
    assert page(engine, "moved:1") == "mine\n"


def test_a_base_that_was_lent_under_its_own_name_spares_the_first_load_its_layers(stage: Stage, engine: Engine) -> None:
    image = stage.image(WEB, {PAGE: b"on a base\n"})
    name = "localhost/aac/debian:trixie-0123456789ab"
    base = base_image(BaseImage(image.layers[:1], ImageConfig(env=("PATH=/bin", "A=b"))), name, image.platform, stage.blobs)
    load(stage, base, name)
    env = engine.docker("image", "inspect", "-f", "{{json .Config.Env}}", name).ok().stdout
    assert env == '["PATH=/bin","A=b"]\n'
    assert load(stage, image, "on-a-base:1", like=(name, "localhost/aac/none:1")) <= image.layers[1].blob.size + DOCUMENTS
    assert page(engine, "on-a-base:1") == "on a base\n"


def test_a_layer_that_the_engine_has_under_another_digest_does_not_leave_a_torn_image(stage: Stage, engine: Engine) -> None:
    # The same files imported without compression: overlay2 knows layers by their tars, the containerd store by their blobs.
    image = on_a_base_of_its_own(stage, b"imported\n")
    tar = gzip.decompress(stage.blobs.path(image.layers[0].blob.digest).read_bytes())
    engine.docker("import", "-", "same-files:1", stdin=tar).ok()
    sent = load(stage, image, "imported:1", like=("same-files:1",))
    assert page(engine, "imported:1") == "imported\n"
    engine.docker("save", "--output", str(stage.folder / "saved.tar"), "imported:1").ok()
    with tarfile.open(stage.folder / "saved.tar") as saved:
        names = set(saved.getnames())
    short = image.layers[1].blob.size + DOCUMENTS
    if engine.store == "overlay2":
        assert sent <= short
    else:
        assert sent > short
        assert {f"blobs/sha256/{layer.blob.digest.hex}" for layer in image.layers} <= names, "nothing is missing"


def test_what_the_engine_refuses_is_told_in_its_words(stage: Stage) -> None:
    image = stage.image(WEB, {PAGE: b"broken\n"})
    blob = stage.blobs.path(image.layers[1].blob.digest)
    blob.chmod(0o644)
    blob.write_bytes(bytes(blob.stat().st_size))
    with pytest.raises(StepError, match=r"docker.*(: .*(digest|archive|tar|EOF|layer|invalid))"):
        load(stage, image, "broken:1")
