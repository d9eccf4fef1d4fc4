"""`agent dev` with docker and with podman: their port is another for each instance, the developer's stays."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from real.developer import developing
from real.dockerd import Engine
from real.instances_of import Instances, instances
from real.podman import Podman
from real.small_agent import small_agent

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


def work(top: Path, seen: Instances) -> None:
    """Edits, a mistake, Ctrl-C; no container is left."""
    project, name, port = small_agent(top, seen.runner)
    seen = replace(seen, name=name)
    project = replace(project, env={**project.env, **seen.env})
    project.write({"main.sh": project.read("main.sh").replace("127.0.0.1:", "0.0.0.0:")})
    with developing(project, name, f"http://127.0.0.1:{port}/") as here:
        here.answers("well\n")
        first = seen.the_one()
        here.edit("www/index.html", "better\n")
        here.answers("better\n")
        here.says(f"(runner {seen.runner})\n", 2)
        here.says("| got TERM")
        second = seen.the_one()
        assert second != first
        right = here.edit("main.sh", "echo oh no; exit 3\n")
        here.says("ended with exit code 3 before it was well")
        here.says("| oh no")
        assert here.asked() == "better\n"
        assert seen.the_one() == second
        here.edit("main.sh", right)
        here.says("is as it was")
        here.signal(signal.SIGINT)
        assert here.ends() == 0
        assert "Traceback" not in here.said
    assert seen.serving() + seen.waiting() == []


def test_with_docker(tmp_path: Path, docker_engine: Engine) -> None:
    work(tmp_path, instances(docker_engine))


def test_with_podman(tmp_path: Path, podman: Podman) -> None:
    work(tmp_path, instances(podman))
