"""What `agent dev` has started before it knows the image: an instance that waits for its files, where only files changed."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from real.developer import Developer, developing, until
from real.dockerd import Engine
from real.instances_of import Instances
from real.podman import Podman
from real.small_agent import small_agent

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


@pytest.fixture(params=["docker_engine", "podman"])
def engine(request: pytest.FixtureRequest) -> Engine | Podman:
    found: Engine | Podman = request.getfixturevalue(request.param)
    return found


def edited(here: Developer, seen: Instances, file: str, text: str, page: str) -> bool:
    """Save a file and wait for what answers then, and for what waits after that; whether it had stood by."""
    here.edit(file, text)
    here.answers(page)
    stood_by = seen.stood_by()
    until(seen.waiting)
    return stood_by


def test_files_go_into_what_stands_by_and_whatever_else_changes_needs_another(tmp_path: Path, engine: Engine | Podman) -> None:
    docker = isinstance(engine, Engine)
    run = engine.docker if isinstance(engine, Engine) else engine.run
    project, name, port = small_agent(tmp_path, "docker" if docker else "podman")
    seen = Instances(run, engine.env, "docker" if docker else "podman", name)
    project = replace(project, env={**project.env, **engine.env})
    main = project.read("main.sh").replace("127.0.0.1:", "0.0.0.0:").replace("echo ready\n", "echo I am 1\n")
    project.write({"main.sh": main, "www/more": "more\n"})
    with developing(project, name, f"http://127.0.0.1:{port}/") as here:
        here.answers("well\n")
        assert not seen.stood_by()
        until(seen.waiting)
        assert edited(here, seen, "www/index.html", "better\n", "better\n")
        here.edit("main.sh", main.replace("I am 1", "I am 2"))
        here.says("| I am 2")
        assert seen.stood_by()
        assert run("exec", seen.the_one(), "cat", "/app/www/index.html").ok().stdout == "better\n"
        until(seen.waiting)
        (project.folder / "www" / "more").unlink()
        assert not edited(here, seen, "www/index.html", "less\n", "less\n"), "it can be given files, and none can be taken away"
        assert run("exec", seen.the_one(), "ls", "/app/www").ok().stdout == "index.html\n"
        assert edited(here, seen, "www/index.html", "well\n", "well\n")
        manifest = project.read("agent.yaml")
        here.edit("agent.yaml", manifest.replace("name: GREETING, value:", "name: ANOTHER, value: x}, {name: GREETING, value:"))
        here.says("serves at", times=6)
        assert not seen.stood_by(), "it had another environment"
        until(seen.waiting)
        here.edit("main.sh", "exit 3\n")
        here.says("ended with exit code 3 before it was well")
        assert here.asked() == "well\n"
        here.edit("main.sh", main.replace("I am 1", "I am 4"))
        here.says("| I am 4")
        here.answers("well\n")
        until(seen.waiting)
        said = run("run", "--rm", "--network=none", f"{name}:1.0.0", "end").stdout
        assert "args: end" in said
        here.signal(signal.SIGINT)
        assert here.ends() == 0
        assert "Traceback" not in here.said
    assert seen.serving() + seen.waiting() + seen.holders() == []


def test_no_file_goes_into_a_root_that_is_read_only(tmp_path: Path, docker_engine: Engine) -> None:
    project, name, port = small_agent(tmp_path, "docker")
    seen = Instances(docker_engine.docker, docker_engine.env, "docker", name)
    project = replace(project, env={**project.env, **docker_engine.env})
    project.write({"main.sh": project.read("main.sh").replace("127.0.0.1:", "0.0.0.0:")})
    with developing(project, name, f"http://127.0.0.1:{port}/", "--read-only") as here:
        for page in ("better\n", "well\n"):
            here.edit("www/index.html", page)
            here.answers(page)
            until(seen.holders)
            assert seen.waiting() == []
        assert seen.network(), "the network is there ahead all the same"
        here.signal(signal.SIGINT)
        assert here.ends() == 0
