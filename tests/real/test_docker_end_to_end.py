"""The example with docker as runner, typed as a user types it: tested, deployed, loaded under its name, and gone when stopped."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from uuid import uuid4

import pytest
from real.dockerd import TREE, Engine

from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

OURS = ("--filter", "label=dev.agent.instance")
CHECKS = 7
"""The example's own six, and that it becomes well."""


@pytest.fixture
def hello(project: Project, docker_engine: Engine) -> Project:
    """The example, in the hands of a user whose engine is ours."""
    source = TREE / "examples/hello"
    files = [p for p in source.rglob("*") if p.is_file() and ".aac" not in p.parts]
    engine = {name: docker_engine.env[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG", "PATH")}
    user = replace(project, env={**project.env, **engine})
    user.write({p.relative_to(source).as_posix(): p.read_bytes() for p in files})
    # A source that nobody has tested yet: a result out of the user's cache would start nothing.
    return user.write({"main.py": f"{user.read('main.py')}# {uuid4()}\n"})


def outputs(ran: str, step: str) -> dict[str, object]:
    """What a step said, out of `--json`."""
    (found,) = [s for s in json.loads(ran)["steps"] if s["step"] == step]
    result: dict[str, object] = found["data"]["outputs"]
    return result


def containers(engine: Engine, *more: str) -> list[str]:
    return engine.docker("ps", "-q", *OURS, *more).ok().stdout.split()


def get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        text: bytes = answer.read()
    return text.decode()


def test_the_example_is_tested_and_deployed_in_an_engine(hello: Project, docker_engine: Engine) -> None:
    tested = outputs(hello.agent("test", "--runner", "docker", "--json").ok().stdout, "test:hello")
    assert (tested["isolation"], tested["passed"]) == ("engine", CHECKS)
    assert containers(docker_engine, "--all") == []
    assert "up to date" in hello.agent("test", "--runner", "docker").ok().output

    run = ("run", "--rm", "--network=none", "--entrypoint=uvicorn", "hello:0.1.0", "--version")
    assert docker_engine.docker(*run).ok().stdout.startswith("Running uvicorn 0.34.0")

    deployed = outputs(hello.agent("deploy", "--runner", "docker", "--json").ok().stdout, "deploy:hello")
    url = str(deployed["url"])
    assert get(f"{url}/?name=Ada") == "<p>Hello, Ada</p>\n"
    assert len(containers(docker_engine)) == 1

    hello.write({"main.py": hello.read("main.py").replace('"status": "ok"', '"status": "better"')})
    again = hello.agent("deploy", "--runner", "docker", "--json").ok().stdout
    assert json.loads(get(f"{outputs(again, 'deploy:hello')['url']}/health")) == {"status": "better"}
    assert len(containers(docker_engine, "--all")) == 1

    hello.agent("stop", "hello").ok()
    assert containers(docker_engine, "--all") == []
