"""What builder docker builds is in the engine under its name, and an image that is gone from there is not up to date."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from real.dockerd import Engine
from real.test_engine_builders import copied, user

from aac_tasks.testing import Project

__all__ = ["user"]  # a fixture

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

NAME = "hello:0.1.0"


def known(engine: Engine) -> str:
    return engine.docker("image", "inspect", "--format={{.Id}}", NAME).stdout.strip()


def test_an_image_is_in_the_engine_under_its_name_until_somebody_removes_it(user: Project, docker_engine: Engine) -> None:
    hello = copied("hello", user)
    hello.write({"main.py": f"{hello.read('main.py')}# {uuid4()}\n"})
    hello.agent("build", "--builder", "docker").ok()
    built = known(docker_engine)
    assert built.startswith("sha256:")
    for _ in range(2):
        time.sleep(0.1)
        assert "image:hello  up to date" in hello.agent("build", "--builder", "docker").ok().stdout
    docker_engine.docker("rmi", "--force", NAME).ok()
    again = hello.agent("build", "--builder", "docker").ok().stdout
    assert "✓ image:hello" in again
    assert "hello:0.1.0 is gone from the engine" in again
    assert known(docker_engine) == built


def test_an_edit_that_is_taken_back_names_the_image_of_before_again(user: Project, docker_engine: Engine) -> None:
    hello = copied("hello", user)
    source = f"{hello.read('main.py')}# {uuid4()}\n"
    seen = []
    for text in (source, f"{source}# edited\n", source):
        hello.write({"main.py": text})
        seen.append((hello.agent("build", "--builder", "docker").ok().stdout, known(docker_engine)))
    assert "from the cache" in seen[2][0]
    assert seen[0][1] == seen[2][1] != seen[1][1]


def test_without_the_engine_what_needs_no_command_is_built_and_said_not_to_be_in_it(
    user: Project, docker_engine: Engine
) -> None:
    hello = copied("hello", user)
    hello.agent("build", "--builder", "docker").ok()
    hello.write({"main.py": f"{hello.read('main.py')}# {uuid4()}\n"})
    said = hello.agent("build", env={"DOCKER_HOST": "unix:///nowhere"}).ok().output
    assert "hello:0.1.0 is not loaded into docker: " in said
