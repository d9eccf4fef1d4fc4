"""Engines and a registry: bases of an own Dockerfile that stay what they are, and a build cache that a second engine uses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from real.dockerd import Engine, _running
from real.shelf import AGENT, Shelf
from real.test_engine_builders import image_of

from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]

@pytest.fixture
def user(project: Project, containerd_engine: Engine) -> Project:
    return replace(project, env={**project.env, **containerd_engine.env, "AAC_BUILD_NETWORK": "host"})


def test_a_tag_behind_from_that_moved_changes_nothing_until_it_is_locked_again(user: Project, shelf: Shelf) -> None:
    first = shelf.put("first")
    name = f"{shelf.address}/team/base:1"
    text = "ARG BASE\nFROM ${BASE} AS a\nFROM a AS b\nFROM scratch\nCOPY --from=b / /\n"
    build = f"{{dockerfile: Dockerfile, args: {{BASE: '{name}'}}}}"
    user.write({"agent.yaml": AGENT.format(build=build), "Dockerfile": text})
    user.agent("build", "--builder", "docker").ok()
    lock = json.loads(user.read("agent.lock"))
    assert lock["platforms"][0]["images"] == {name: f"{shelf.address}/team/base@{first}"}
    assert f"FROM {shelf.address}/team/base@{first} AS a" in user.read(".aac/agents/own/Dockerfile")
    before, _ = image_of(user)

    second = shelf.put(f"second {uuid4()}")
    assert "image:own  up to date" in user.agent("build").ok().stdout
    user.write({"more.txt": "an edit of the context has it built again\n"})
    assert "✓ image:own" in user.agent("build").ok().stdout
    assert image_of(user)[0].layers == before.layers

    user.agent("lock").ok()
    assert json.loads(user.read("agent.lock")) == lock
    user.agent("lock", "--update").ok()
    assert str(second) in user.read("agent.lock")
    user.agent("build").ok()
    assert image_of(user)[0].layers != before.layers


def test_a_base_that_no_registry_has_is_refused_when_it_is_locked(user: Project, shelf: Shelf) -> None:
    shelf.put("first")
    text = f"FROM {shelf.address}/team/base:2\n"
    user.write({"agent.yaml": AGENT.format(build="{dockerfile: Dockerfile}"), "Dockerfile": text})
    failed = user.agent("build", "--builder", "docker").exits(1)
    assert f"{shelf.address}/team/base:2: {shelf.address}/team/base has no 2; it has 1" in failed.output
    assert "correct the name behind FROM" in failed.output


@pytest.fixture(scope="module")
def other_engine(docker_binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with _running(docker_binaries, tmp_path_factory.mktemp("other"), "containerd") as engine:
        yield engine


MADE = "cat /proc/sys/kernel/random/uuid > /made"
"""What it makes is never the same twice."""


@pytest.mark.parametrize("form", ["dockerfile", "commands"])
def test_a_second_engine_takes_from_the_registry_what_the_first_one_made(
    form: str, user: Project, other_engine: Engine, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put("first")
    base, cache = f"{shelf.address}/team/base:1", f"type=registry,ref={shelf.address}/team/cache:{form}"
    run = json.dumps(["/bin/sh", "-c", f"{MADE}; : {uuid4()}"])
    said = {"dockerfile": "{dockerfile: Dockerfile}", "commands": f"{{baseImage: '{base}', commands: ['{MADE}; : {uuid4()}']}}"}
    user.write({"agent.yaml": AGENT.format(build=said[form]), "Dockerfile": f"FROM {base}\nRUN {run}\n"})
    user.agent("build", "--builder", "docker", env={"AAC_BUILD_CACHE_TO": f"{cache},mode=max"}).ok()

    made = [image_of(user)[0]]
    for name, env in (("with", {"AAC_BUILD_CACHE_FROM": cache}), ("without", {})):
        clone = shutil.copytree(user.folder, tmp_path / name, ignore=shutil.ignore_patterns(".aac"))
        there = Project(clone, {**user.env, **other_engine.env, "XDG_CACHE_HOME": str(tmp_path / f"cache-{name}"), **env})
        there.agent("build", "--locked").ok()
        made.append(image_of(there)[0])
        other_engine.docker("builder", "prune", "--all", "--force").ok()
    first, reused, anew = [image.layers for image in made]
    assert [x.diff_id for x in reused] == [x.diff_id for x in first]
    assert [x.diff_id for x in anew] != [x.diff_id for x in first], "the test could not fail otherwise"
