"""Networks that `agent dev` has ready before it knows the image: an instance joins one, or does without."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from real.developer import developing, until
from real.dockerd import Engine
from real.instances_of import Instances
from real.podman import Podman
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
    engine: Engine | Podman = request.getfixturevalue(request.param)
    docker = isinstance(engine, Engine)
    return Instances(engine.docker if docker else engine.run, engine.env, "docker" if docker else "podman")


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
    seen = Instances(docker_engine.docker, docker_engine.env, "docker")
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
