"""What builder podman builds: the embedded builder's image, in podman under its name, where little travels after an edit."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from real.podman import Podman
from real.test_engine_builders import copied, image_of
from runner_stage import shell, stage_of

from aac_plugins.builders.podman import PodmanBuilder
from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

NAME = "hello:0.1.0"


@pytest.fixture
def user(project: Project, podman: Podman) -> Project:
    return replace(project, env={**project.env, **podman.env, "AAC_BUILD_NETWORK": "host"})


def known(podman: Podman) -> str:
    return podman.run("image", "inspect", "--format={{.Id}}", NAME).stdout.strip()


def test_podman_builds_the_same_image_too(user: Project, podman: Podman) -> None:
    hello = copied("hello", user)
    before = podman.run("images", "--quiet").ok().stdout.split()
    hello.agent("build", "--builder", "embedded").ok()
    embedded, _ = image_of(hello)
    hello.agent("lock", "--builder", "podman").ok()
    hello.agent("build", "--no-cache").ok()
    made, shown = image_of(hello)
    assert shown["builder"] == "podman"
    assert made.layers == embedded.layers
    assert f"sha256:{known(podman)}" == made.config.digest
    shown_now = podman.run("images", "--format={{.ID}} {{.Repository}}").ok().stdout.splitlines()
    hello_and_base = {"docker.io/library/hello", "localhost/aac/base"}
    assert {name for image, name in map(str.split, shown_now) if image not in before} <= hello_and_base


def test_an_image_is_in_podman_under_its_name_until_somebody_removes_it(user: Project, podman: Podman) -> None:
    hello = copied("hello", user)
    hello.write({"main.py": f"{hello.read('main.py')}# {uuid4()}\n"})
    hello.agent("build", "--builder", "podman").ok()
    built = known(podman)
    assert built
    for _ in range(2):
        time.sleep(0.1)
        assert "image:hello  up to date" in hello.agent("build", "--builder", "podman").ok().stdout
    podman.run("rmi", "--force", NAME).ok()
    again = hello.agent("build", "--builder", "podman").ok().stdout
    assert "✓ image:hello" in again
    assert "hello:0.1.0 is gone from podman" in again
    assert known(podman) == built


def test_podman_run_finds_it_and_an_edit_reads_the_changed_layer_alone(podman: Podman, tmp_path: Path, aac_cache: Path) -> None:
    stage, builder = stage_of(tmp_path / "stage", aac_cache), PodmanBuilder()
    stage.lent.shop.environment.update(podman.env)
    name = f"seen-{uuid4().hex[:8]}:1"
    first, edited = (stage.image(shell("cat /said"), files={"said": f"{uuid4()}".encode()}) for _ in range(2))
    builder.load(first, name, stage.tools)
    base = stage.blobs.path(first.layers[0].blob.digest)
    aside = base.rename(base.with_name("aside"))
    try:
        loaded = builder.load(edited, name, stage.tools)
    finally:
        aside.rename(base)
    assert edited.layers[0] == first.layers[0], "the layer that could not be read"
    assert builder.holds(loaded, stage.tools) == ""
    said = podman.run("run", "--rm", "--network=none", name).ok().stdout
    assert said.encode() in stage.blobs.path(edited.layers[1].blob.digest).read_bytes()
    assert len(said) == 36
    podman.run("tag", f"{first.config.digest.hex}", name).ok()
    assert builder.holds(loaded, stage.tools) == f"{name} is another image in podman"
