"""The plugins of examples/plugins, called as steps call them: with a real blob store."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import pytest
from conformance.strangers import load

from aac_plugins.oci.documents import About, write_image
from aac_tasks.contracts.image import MEDIA_LAYER_GZIP, Digest, ImageConfig, Layer, Platform, StoredImage
from aac_tasks.contracts.lock import LockedBase, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.spec import AgentSpec, Metadata, Port
from aac_tasks.errors import StepError
from aac_tasks.state.blobs import Blobs

REFERENCE = "folder:out:team/hello:1.0"


@dataclass(frozen=True)
class Lent:
    """The part of `Tools` that a registry of files needs."""

    blobs: Blobs
    root: Path


def image(blobs: Blobs) -> StoredImage:
    tar = bytes(10240)  # an empty tar archive
    blob = blobs.put(gzip.compress(tar, mtime=0), media_type=MEDIA_LAYER_GZIP)
    layer = Layer(blob, Digest("sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652"))
    return write_image(
        [layer], ImageConfig(entrypoint=("/bin/true",)), blobs, platform=Platform(), about=About()
    )


def test_what_is_pushed_into_a_folder_is_resolved_and_pulled_back_by_someone_else(tmp_path: Path) -> None:
    registry = load("folder").Folder()
    here, there = Lent(Blobs(tmp_path / "a"), tmp_path), Lent(Blobs(tmp_path / "b"), tmp_path)
    stored = image(here.blobs)
    assert registry.accepts(REFERENCE)
    assert not registry.accepts("localhost:5000/team/hello:1.0")
    assert registry.resolve(REFERENCE, here) is None
    pushed = registry.push(stored, REFERENCE, here)
    assert pushed.digest == stored.manifest.digest
    assert pushed.sent == stored.manifest.size + stored.config.size + stored.layers[0].blob.size
    assert registry.resolve(REFERENCE, there) == stored.manifest.digest
    assert registry.pull(REFERENCE, stored.platform, there).content_digest == stored.content_digest
    assert there.blobs.has(stored.layers[0].blob.digest)


def test_a_second_push_into_a_folder_sends_nothing(tmp_path: Path) -> None:
    registry, tools = load("folder").Folder(), Lent(Blobs(tmp_path / "a"), tmp_path)
    stored = image(tools.blobs)
    registry.push(stored, REFERENCE, tools)
    assert registry.push(stored, REFERENCE, tools).sent == 0


def test_a_blob_that_was_tampered_with_is_not_pulled(tmp_path: Path) -> None:
    registry, here = load("folder").Folder(), Lent(Blobs(tmp_path / "a"), tmp_path)
    stored = image(here.blobs)
    registry.push(stored, REFERENCE, here)
    (tmp_path / "out/sha256" / stored.layers[0].blob.digest.hex).write_bytes(b"other")
    with pytest.raises(StepError, match="not to the"):
        registry.pull(REFERENCE, stored.platform, Lent(Blobs(tmp_path / "b"), tmp_path))


SITE = AgentSpec(Metadata("site"), "static", config={"static": {"folder": "public"}}, ports=(Port(9000),))


def test_a_static_site_is_served_from_its_folder_on_its_port() -> None:
    runtime = load("static").Static()
    locked = LockedPlatform(Platform(), LockedBase("debian", "debian:trixie", Platform()))
    recipe = runtime.recipe(SITE, Facts(Path("site")), locked)
    assert recipe.entrypoint == (
        "/usr/bin/python3",
        "-m",
        "http.server",
        "--directory",
        "/app/public",
        "9000",
    )
    assert recipe.probe.port == 9000


def test_a_site_without_an_index_is_a_problem_before_anything_is_built() -> None:
    runtime = load("static").Static()
    assert runtime.wants(SITE) == ("public/index.html",)
    assert runtime.plan(SITE, Facts(Path("site"), exists=frozenset({"public/index.html"}))).problems == ()
    ((path, message),) = runtime.plan(SITE, Facts(Path("site"))).problems
    assert path == "spec.config.static.folder"
    assert "public/index.html not found in site" in message
