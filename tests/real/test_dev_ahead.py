"""What `agent dev` has ready before it knows the image: a network that is joined, and an instance that waits for its files."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from real.developer import Developer, developing, until
from real.dockerd import Engine
from real.instances_of import Instances, instances
from real.small_agent import small_agent
from real_registry import free_port

from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]

STUBBORN = """\
import http.server


class Server(http.server.HTTPServer):
    allow_reuse_address = False


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"1")


Server(("0.0.0.0", 8080), Handler).serve_forever()
"""
AGENT = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: stubborn, version: "1.0"}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  entrypoint: [python3, main.py]
  ports: [{container: 8080, host: PORT}]
"""


@pytest.fixture(params=["docker_engine", "podman"])
def seen(request: pytest.FixtureRequest) -> Instances:
    return instances(request.getfixturevalue(request.param))


def edited(here: Developer, seen: Instances, file: str, text: str, page: str) -> bool:
    """Save a file and wait for what answers then, and for what waits after that; whether it had stood by."""
    here.edit(file, text)
    here.answers(page)
    stood_by = seen.stood_by()
    until(seen.waiting)
    return stood_by


def test_an_instance_joins_a_network_that_was_there_before_it(tmp_path: Path, seen: Instances) -> None:
    project, name, port = small_agent(tmp_path, seen.runner)
    project = replace(project, env={**project.env, **seen.env})
    project.write({"main.sh": project.read("main.sh").replace("127.0.0.1:", "0.0.0.0:")})
    joined = []
    with developing(project, name, f"http://127.0.0.1:{port}/") as here:
        for count, word in enumerate(("well", "better", "best", "better", "well"), 1):
            here.edit("www/index.html", f"{word}\n")
            here.answers(f"{word}\n")
            joined.append(seen.network())
            until(lambda: len(seen.holders()) == min(count, 2))  # noqa: B023  # called at once
        assert joined[0] == "", "nobody waits for a network twice"
        assert set(joined[1:3]) == set(seen.holders())
        assert joined[3:] == joined[1:3]
        seen.engine("kill", joined[1]).ok()
        here.edit("www/index.html", "on its own\n")
        here.answers("on its own\n")
        assert seen.network() == ""
        here.signal(signal.SIGINT)
        assert here.ends() == 0
        assert "Traceback" not in here.said
    assert seen.holders() + seen.waiting() == []
    with developing(project, name, f"http://127.0.0.1:{port}/") as here:
        here.answers("on its own\n")
        until(seen.holders)
        here.edit("www/index.html", "killed\n")
        here.answers("killed\n")
        until(lambda: len(seen.holders()) == 2)
        here.signal(signal.SIGKILL)
        assert here.ends() == -signal.SIGKILL
    with developing(project, name, f"http://127.0.0.1:{port}/") as here:
        here.answers("killed\n")
        until(lambda: len(seen.holders()) == len(seen.waiting()) == 1)
        here.signal(signal.SIGINT)
        assert here.ends() == 0
    assert seen.holders() == []


@pytest.mark.network
def test_who_can_not_listen_again_at_once_gets_a_network_of_its_own(project: Project, docker_engine: Engine) -> None:
    seen = instances(docker_engine)
    project = replace(project, env={**project.env, **seen.env})
    port = free_port()
    project.write({"agent.yaml": AGENT.replace("PORT", str(port)), "main.py": STUBBORN})
    joined = []
    with developing(project, "stubborn", f"http://127.0.0.1:{port}/", "--runner", "docker") as here:
        for count, number in enumerate("1234", 1):
            here.edit("main.py", STUBBORN.replace('b"1"', f'b"{number}"'))
            here.answers(number)
            joined.append(bool(seen.network()))
            until(lambda: len(seen.holders()) == min(count, 2))  # noqa: B023  # called at once
        here.signal(signal.SIGINT)
        assert here.ends() == 0
    assert joined == [False, True, True, False], "connections of the second one still waited to be forgotten"


def test_files_go_into_what_stands_by_and_whatever_else_changes_needs_another(tmp_path: Path, seen: Instances) -> None:
    project, name, port = small_agent(tmp_path, seen.runner)
    seen, run = replace(seen, name=name), seen.engine
    project = replace(project, env={**project.env, **seen.env})
    main = project.read("main.sh").replace("127.0.0.1:", "0.0.0.0:").replace("echo ready\n", "echo I am 1\n")
    project.write({"main.sh": main, "www/more": "more\n"})
    volumes = run("volume", "ls", "--quiet").ok().stdout
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
        until(seen.waiting)
        here.edit("main.sh", main.replace("I am 1", "I am 4"))
        here.says("| I am 4")
        assert seen.stood_by(), "a mistake does not cost the next edit anything"
        until(seen.waiting)
        said = run("run", "--rm", "--network=none", f"{name}:1.0.0", "end").stdout
        assert "args: end" in said
        here.signal(signal.SIGINT)
        assert here.ends() == 0
        assert "Traceback" not in here.said
    assert seen.serving() + seen.waiting() + seen.holders() == []
    assert run("volume", "ls", "--quiet").ok().stdout == volumes


def test_no_file_goes_into_a_root_that_is_read_only(tmp_path: Path, docker_engine: Engine) -> None:
    project, name, port = small_agent(tmp_path, "docker")
    seen = instances(docker_engine, name)
    project = replace(project, env={**project.env, **docker_engine.env})
    project.write({"main.sh": project.read("main.sh").replace("127.0.0.1:", "0.0.0.0:")})
    with developing(project, name, f"http://127.0.0.1:{port}/", "--read-only") as here:
        for page in ("better\n", "well\n"):
            here.edit("www/index.html", page)
            here.answers(page)
            until(seen.holders)
            assert seen.waiting() == []
            assert not seen.stood_by()
        assert seen.network(), "the network is there ahead all the same"
        here.signal(signal.SIGINT)
        assert here.ends() == 0
