"""A real example of each runtime: built by an engine and by hand, tested, pushed to and pulled from a real registry, and run."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.test_engine_builders import copied, lent_python
from real_registry import registry_server
from runner_stage import stage_of

from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

EXAMPLES = ("hello", "node", "go", "rust", "java", "custom")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("registry")) as address:
        yield address


def prepared(example: str, project: Project, engine: Engine, registry: str) -> Project:
    """The example in the hands of a user of that engine, who pushes to that registry."""
    agent = copied(example, replace(project, env={**project.env, **engine.env}))
    text = agent.read("agent.yaml")
    assert text.count("registry: oci:dist") == 1
    text = text.replace("docker.io/library/python:3.13-slim", "localhost/python:here")  # `engine` has no other registry
    return agent.write({"agent.yaml": text.replace("registry: oci:dist", f"registry: {registry}/team")})


def name_of(agent: Project) -> str:
    return str(json.loads(agent.agent("plan", "--json").ok().stdout)["agents"][0]["agent"])


def facts(agent: Project) -> dict[str, object]:
    value: dict[str, object] = json.loads(agent.agent("inspect", "--json").ok().stdout)
    return value


def outputs(ran: str, kind: str) -> dict[str, object]:
    (found,) = [s["data"]["outputs"] for s in json.loads(ran)["steps"] if s["step"].startswith(f"{kind}:")]
    value: dict[str, object] = found
    return value


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_engine_builds_it_its_tests_pass_and_it_comes_back_from_a_registry(
    example: str, project: Project, docker_engine: Engine, registry: str, tmp_path: Path, aac_cache: Path
) -> None:
    agent = prepared(example, project, docker_engine, registry)
    if example == "custom":
        lent_python(docker_engine, stage_of(tmp_path / "stage", aac_cache))
    agent.agent("lock", "--builder", "docker", timeout=600).ok()
    pushed = outputs(agent.agent("push", "--runner", "docker", "--json", timeout=900).ok().stdout, "push")
    shown = facts(agent)
    assert shown["builder"] == "docker"
    elsewhere = Project(tmp_path / "elsewhere", {**agent.env, "XDG_CACHE_HOME": str(tmp_path / "cache")})
    elsewhere.folder.mkdir()
    refs = pushed["refs"]
    assert isinstance(refs, list)
    pulled = json.loads(elsewhere.agent("pull", str(refs[0]), "--json").ok().stdout)
    assert pushed["digest"] == shown["digest"]
    assert str(pushed["digest"]) in json.dumps(pulled)
    started = json.loads(agent.agent("run", "-d", "--runner", "docker", "--json", name_of(agent)).ok().stdout)
    try:
        assert answers(str(started["url"]))
    finally:
        agent.agent("stop", str(started["name"])).ok()


def answers(url: str) -> bool:
    """Whether it says that it is well, within half a minute."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        try:
            with opener.open(f"{url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.1)
    return False


def without_dockerfile(agent: Project, engine: Engine, registry: str) -> None:
    """The same agent as files on a base, for an own Dockerfile is for engines only; what that runs was run before."""
    base = f"{registry}/team/python:here"
    engine.docker("tag", "localhost/python:here", base).ok()
    engine.docker("push", "-q", base).ok()
    agent.run(("python3", "make_words.py", "words.txt")).ok()
    (agent.folder / "Dockerfile").unlink()
    head, _, rest = agent.read("agent.yaml").partition("  build:\n")
    start = f"  build: {{baseImage: {base}}}\n  entrypoint: [python3, -u, main.py]\n\n"
    agent.write({"agent.yaml": f"{head}{start}  tests:\n{rest.partition('  tests:')[2]}"})


@pytest.mark.parametrize("example", EXAMPLES)
def test_by_hand_the_same_tests_pass_on_an_image_of_the_same_shape(
    example: str, project: Project, docker_engine: Engine, registry: str, tmp_path: Path, aac_cache: Path
) -> None:
    agent = prepared(example, project, docker_engine, registry)
    if example == "custom":
        lent_python(docker_engine, stage_of(tmp_path / "stage", aac_cache))
        without_dockerfile(agent, docker_engine, registry)
    shapes = []
    for builder in ("embedded", "docker"):
        agent.agent("lock", "--builder", builder, timeout=600).ok()
        tested = outputs(agent.agent("test", "--runner", "docker", "--json", timeout=900).ok().stdout, "test")
        shapes.append((tested["passed"], shape(agent)))
    assert shapes[0] == shapes[1]


def shape(agent: Project) -> tuple[object, ...]:
    """What a user of the image sees of it: how it starts, and which layers it has."""
    shown = facts(agent)
    config = {name: shown.get(name) for name in ("entrypoint", "user", "ports", "env", "labels", "workdir")}
    layers = shown["layers"]
    assert isinstance(layers, list)
    return json.dumps(config, sort_keys=True), tuple(layer["name"] for layer in layers)
