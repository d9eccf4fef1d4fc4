"""The suite for runners, on real engines: Docker's and podman."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.podman import Podman
from runner_stage import Stage

from aac_plugins.runners.docker import DockerRunner
from aac_plugins.runners.podman import PodmanRunner
from aac_tasks.conformance.runners import RunnerConformance
from aac_tasks.contracts.running import Runner

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


def staged(environment: dict[str, str]) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="aac-suite-", ignore_cleanup_errors=True) as name:
        made = Stage(Path(name), environment={**os.environ, **environment})
        yield made
        made.finish()


class TestDocker(RunnerConformance):
    @pytest.fixture
    def stage(self, docker_engine: Engine) -> Iterator[Stage]:
        yield from staged(docker_engine.env)
        assert docker_engine.docker("ps", "-aq", "--filter", "label=dev.agent.instance").ok().stdout == ""

    @pytest.fixture
    def runner(self) -> Runner:
        return DockerRunner()


class TestPodman(RunnerConformance):
    @pytest.fixture
    def stage(self, podman: Podman) -> Iterator[Stage]:
        yield from staged(podman.env)
        assert podman.run("ps", "-aq", "--filter", "label=dev.agent.instance").ok().stdout == ""

    @pytest.fixture
    def runner(self) -> Runner:
        return PodmanRunner()
