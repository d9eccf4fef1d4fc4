"""Every builder of ours, held to the same suite; those with an engine against real ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.podman import Podman

from aac_plugins.builders.docker import DockerBuilder
from aac_plugins.builders.embedded import EmbeddedBuilder
from aac_plugins.builders.podman import PodmanBuilder
from aac_tasks.conformance.builder import BuilderConformance, BuilderUnderTest


class TestEmbedded(BuilderConformance):
    @pytest.fixture
    def subject(self) -> BuilderUnderTest:
        return BuilderUnderTest(EmbeddedBuilder(), os.environ)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.xdist_group("docker")
class TestDocker(BuilderConformance):
    """BuildKit, on the image store of older installations."""

    @pytest.fixture
    def subject(self, docker_engine: Engine) -> BuilderUnderTest:
        return BuilderUnderTest(DockerBuilder(), {**os.environ, **docker_engine.env})


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.xdist_group("docker")
class TestDockerOnContainerd(BuilderConformance):
    """BuildKit, on the image store of new installations; its engine has no network, so builds use the host's."""

    @pytest.fixture
    def subject(self, containerd_engine: Engine) -> BuilderUnderTest:
        return BuilderUnderTest(DockerBuilder(), {**os.environ, **containerd_engine.env, "AAC_BUILD_NETWORK": "host"})


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.xdist_group("docker")
class TestDockerWithoutBuildKit(BuilderConformance):
    """The classic endpoint: the engine's command is not installed."""

    @pytest.fixture
    def subject(self, docker_engine: Engine, tmp_path: Path) -> BuilderUnderTest:
        env = {**os.environ, **docker_engine.env, "PATH": str(tmp_path)}
        return BuilderUnderTest(DockerBuilder(), env)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.xdist_group("docker")
class TestPodman(BuilderConformance):
    """Builds use the host's network: bridges of Podman's share the machine's iptables chains with a dockerd's."""

    @pytest.fixture
    def subject(self, podman: Podman) -> BuilderUnderTest:
        return BuilderUnderTest(PodmanBuilder(), {**os.environ, **podman.env, "AAC_BUILD_NETWORK": "host"})
