"""What goes wrong while an engine builds: told with its place and last words, and nothing is left in the engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from real.dockerd import Engine, _running
from real.podman import Podman
from real.shelf import AGENT, Shelf
from real.test_engine_builders import leftovers
from runner_stage import MACHINE, shell

from aac_plugins.oci.docker_api import Engine as Api
from aac_plugins.oci.docker_load import load_image
from aac_tasks.testing import Project, Ran, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


@pytest.fixture
def docker_user(project: Project, containerd_engine: Engine) -> Project:
    return replace(project, env={**project.env, **containerd_engine.env, "AAC_BUILD_NETWORK": "host"})


@pytest.fixture
def podman_user(project: Project, podman: Podman) -> Project:
    return replace(project, env={**project.env, **podman.env, "AAC_BUILD_NETWORK": "host"})


def failing(user: Project, shelf: Shelf, builder: str) -> Ran:
    """Two commands on a base, of which the second one fails."""
    shelf.put("first")
    commands = f"['true', 'echo it is the end {uuid4()}; exit 3']"
    user.write({"agent.yaml": AGENT.format(build=f"{{baseImage: '{shelf.address}/team/base:1', commands: {commands}}}")})
    return user.agent("build", "--builder", builder).exits(1)


def told_with_its_place(failed: Ran) -> None:
    (line,) = [line for line in failed.output.splitlines() if line.startswith("✗ image:own")]
    assert "agent.yaml:9:" in line
    assert "spec.build.commands[1]: commands of own: `" in line
    assert "--mount" not in line
    assert "exit 3" in line
    assert any(line.strip().startswith("| it is the end") for line in failed.output.splitlines())


def test_a_command_of_agent_yaml_that_fails_in_docker_is_told_with_its_line(
    docker_user: Project, containerd_engine: Engine, shelf: Shelf
) -> None:
    before = leftovers(containerd_engine)
    told_with_its_place(failing(docker_user, shelf, "docker"))
    assert leftovers(containerd_engine) == before


def test_a_command_of_agent_yaml_that_fails_in_podman_is_told_with_its_line(
    podman_user: Project, podman: Podman, shelf: Shelf
) -> None:
    def left() -> set[str]:
        images = podman.run("images", "--quiet", "--filter", "dangling=true").ok().stdout.split()
        return {*images, *podman.run("ps", "--all", "--quiet").ok().stdout.split()}

    before = left()
    told_with_its_place(failing(podman_user, shelf, "podman"))
    assert left() == before


def test_a_line_of_an_own_dockerfile_that_fails_is_told_with_what_it_said(
    docker_user: Project, containerd_engine: Engine, shelf: Shelf
) -> None:
    shelf.put("first")
    text = f'FROM {shelf.address}/team/base:1\nRUN ["true"]\nRUN ["/bin/sh", "-c", "echo it is the end; exit 4"]\n'
    docker_user.write({"agent.yaml": AGENT.format(build="{dockerfile: Dockerfile}"), "Dockerfile": text})
    before = leftovers(containerd_engine)
    failed = docker_user.agent("build", "--builder", "docker").exits(1).output
    assert "Dockerfile:3: `/bin/sh -c echo it is the end; exit 4` ended with 4" in failed
    assert "| it is the end" in failed
    assert leftovers(containerd_engine) == before
    assert "has no image yet" in docker_user.agent("inspect").exits(1).output


def test_a_base_that_went_away_after_it_was_locked_is_named_with_its_line(docker_user: Project, shelf: Shelf) -> None:
    base = f"{shelf.address}/team/gone@sha256:{'0' * 64}"
    docker_user.write({"agent.yaml": AGENT.format(build="{dockerfile: Dockerfile}"), "Dockerfile": f"FROM {base}\n"})
    failed = docker_user.agent("build", "--builder", "docker").exits(1).output
    assert f"Dockerfile:1: base {shelf.address}/team/gone" in failed
    assert "can't be had" in failed


def test_a_program_for_another_cpu_is_told_as_such(docker_user: Project) -> None:
    need(shutil.which("busybox"), "busybox is not installed")
    program = bytearray(Path(str(shutil.which("busybox"))).read_bytes())
    program[18:20] = (0xB7 if MACHINE == "amd64" else 0x3E).to_bytes(2, "little")  # e_machine, as elf.h has it
    docker_user.write({
        "agent.yaml": AGENT.format(build="{dockerfile: Dockerfile}"),
        "Dockerfile": 'FROM scratch\nCOPY --chmod=755 program /program\nRUN ["/program"]\n',
        "program": bytes(program),
    })  # fmt: skip
    other = "linux/arm64" if MACHINE == "amd64" else "linux/amd64"
    failed = docker_user.agent("build", "--builder", "docker", "--platform", other).exits(1).output
    assert f"this machine can't run programs for {other}" in failed


@pytest.fixture
def cramped_engine(docker_binaries: Path, tmp_path: Path) -> Iterator[Engine]:
    """An engine with 64 MB for all that it keeps."""
    need(os.geteuid() == 0 and shutil.which("mount"), "mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk), check=True)
    try:
        with _running(docker_binaries, disk, "containerd") as engine:
            yield engine
    finally:
        subprocess.run(("umount", "--lazy", disk), check=True)


def test_a_full_disk_of_the_engine_is_told_as_such(project: Project, cramped_engine: Engine, shelf: Shelf) -> None:
    base = shelf.stage.image(shell("true"))
    load_image(Api(str(cramped_engine.socket)), base, ["localhost/box:1"], shelf.stage.tools)
    user = replace(project, env={**project.env, **cramped_engine.env, "AAC_BUILD_NETWORK": "host"})
    text = 'FROM localhost/box:1\nRUN ["/bin/sh", "-c", "cat /dev/zero > /data/big"]\n'
    user.write({"agent.yaml": AGENT.format(build="{dockerfile: Dockerfile}"), "Dockerfile": text})
    failed = user.agent("build", "--builder", "docker").exits(1).output
    assert "Dockerfile of own: the disk of the engine is full" in failed
    assert "`docker system prune` frees some" in failed
    assert leftovers(cramped_engine) == set()
