"""`agent build --check` with a real engine: it reads the Dockerfile, and nothing is built."""

from __future__ import annotations

from dataclasses import replace

import pytest
from real.dockerd import Engine
from real.test_engine_builders import copied

from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

OWN = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: own, version: 0.1.0}
spec:
  runtime: custom
  model: {provider: openai, name: m}
  build: {dockerfile: docker/Dockerfile}
"""


@pytest.fixture
def user(project: Project, containerd_engine: Engine) -> Project:
    return replace(project, env={**project.env, **containerd_engine.env})


def images(engine: Engine) -> set[str]:
    """Ids; the engine promises no order."""
    return set(engine.docker("images", "--all", "--quiet").ok().stdout.split())


def test_buildkit_reads_an_own_dockerfile_and_says_the_line(user: Project, containerd_engine: Engine) -> None:
    user.write({"agent.yaml": OWN, "docker/Dockerfile": "FROM scratch\nCOPY . /app/\n"})
    user.agent("lock", "--builder", "docker").ok()
    before = images(containerd_engine)
    said = user.agent("build", "--check").ok().stdout
    assert "ok       image:own: BuildKit" in said
    user.write({"docker/Dockerfile": "FROM scratch\nFOO x\n"})
    said = user.agent("build", "--check").exits(1).stdout
    assert "blocked  image:own: docker/Dockerfile:2: unknown instruction: FOO (did you mean FROM?)" in said
    assert images(containerd_engine) == before


def test_buildkit_finds_nothing_in_what_is_rendered(user: Project, containerd_engine: Engine) -> None:
    hello = copied("hello", user)
    hello.agent("lock", "--builder", "docker").ok()
    before = images(containerd_engine)
    said = hello.agent("build", "--check").ok().stdout
    assert "the rendered Dockerfile, its bases left out" in said
    assert "warning" not in said
    assert images(containerd_engine) == before
