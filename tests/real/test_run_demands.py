"""What `agent run` is asked for and an engine has not: one message of ours, and nothing is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.podman import Podman
from real.small_agent import small_agent

from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


def user(folder: Path, engine: str, env: dict[str, str]) -> tuple[Project, str]:
    project, name, _ = small_agent(folder, engine)
    made = replace(project, env={**project.env, **{key: value for key, value in env.items() if key != "HOME"}})
    made.agent("build", "-q", "--builder", "embedded").ok()
    return made, name


def test_docker_says_that_it_has_no_such_network_and_no_gpu(docker_engine: Engine, tmp_path: Path) -> None:
    project, name = user(tmp_path, "docker", docker_engine.env)
    for flags in ((), ("-i",)):
        said = project.agent("run", "-q", *flags, name, "--network", "bridgee").exits(3).stderr
        assert f"{name}-run: docker has no network 'bridgee'; did you mean 'bridge'?; it has bridge, host, none\n" in said
        assert "→ `docker network create bridgee` makes it, or name another (--network, spec.network.mode)" in said
    for count in ("1", "all"):
        said = project.agent("run", "-q", name, "--gpus", count).exits(3).stderr
        assert f"{name}-run: a GPU is asked for, and unix://{docker_engine.socket} has none to give (docker: could not" in said
        assert "→ do without (--gpus 0, spec.resources.limits.gpu), or set the engine up for GPUs" in said
    assert docker_engine.docker("ps", "-aq", "--filter", "label=dev.agent.instance").ok().stdout == ""
    assert project.agent("ps").ok().stdout.startswith("nothing runs")
    project.agent("run", "-q", name, "--gpus", "0", "--cpus", "0", "-m", "0", "--network", "none", "--", "end").exits(5)
    docker_engine.docker("rmi", "--force", f"{name}:1.0.0").ok()


def test_podman_says_the_same_and_does_not_leave_out_a_gpu_in_silence(podman: Podman, tmp_path: Path) -> None:
    project, name = user(tmp_path, "podman", podman.env)
    said = project.agent("run", "-q", name, "--network", "nosuch").exits(3).stderr
    assert f"{name}-run: podman has no network 'nosuch'; it has bridge, host, none\n" in said
    assert "a GPU is asked for, which runner podman can't give" in project.agent("run", "-q", name, "--gpus", "1").exits(3).stderr
    assert podman.run("ps", "-aq", "--filter", "label=dev.agent.instance").ok().stdout == ""
    podman.run("rmi", "--force", f"{name}:1.0.0").ok()
