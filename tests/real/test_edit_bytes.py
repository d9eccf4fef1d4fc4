"""One line edited, for every runtime: what an engine is sent is the changed layer, and no package is fetched, installed or
compiled again.

Where the engine compiles, BuildKit's own conversation comes on top: 40 to 65 KB were seen. And the certificate authorities that
the user's environment names, if any, are lent to each command anew, because a secret is kept nowhere.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from real.counting_proxy import Counting, counted
from real.dockerd import Engine
from real.test_engine_builders import copied, image_of, lent_python
from runner_stage import stage_of

from aac_tasks.testing import Project, Ran

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

ROOM = 20_000
"""Bytes beside a changed layer that an edit may send to the engine."""

CONVERSATION = 80_000
"""Bytes that `docker buildx build` itself takes for one stage."""

INTERPRETED = ("hello", "node")
SOURCES = {
    "hello": "main.py",
    "node": "index.js",
    "go": "main.go",
    "rust": "src/main.rs",
    "java": "src/main/java/example/Hello.java",
    "custom": "main.py",
}
COMPILING = re.compile(r"\bCompiling (\S+) v")
"""What cargo says of each crate."""

FETCHING = re.compile(r"\b(?:downloading|downloaded|installing dependencies)\b", re.IGNORECASE)
"""What go, cargo and we say when packages are fetched or installed; cargo installs the agent's own program."""


@pytest.fixture
def proxy(docker_engine: Engine) -> Iterator[Counting]:
    with counted(docker_engine.socket, docker_engine.folder / f"c{uuid4().hex[:6]}") as made:
        yield made


@pytest.fixture
def heard(docker_engine: Engine, tmp_path: Path) -> Path:
    """A folder for PATH whose ``docker`` is the engine's, and writes down all that it says."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/docker"
    real, log = shlex.quote(str(docker_engine.binaries / "bin/docker")), shlex.quote(str(tmp_path / "said"))
    program.write_text(f"#!/bin/bash\n{real} \"$@\" 2> >(tee -a {log} >&2)\n")
    program.chmod(0o755)
    return tmp_path


def authorities(env: Mapping[str, str]) -> int:
    """Bytes of the file that `plugins/aac_plugins/builders/commandline.py` lends."""
    named = (env.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    return next((Path(bundle).stat().st_size for bundle in named if bundle and Path(bundle).is_file()), 0)


@pytest.mark.parametrize("example", SOURCES)
def test_an_edit_sends_the_changed_layer_and_fetches_nothing(
    example: str, project: Project, docker_engine: Engine, proxy: Counting, heard: Path, aac_cache: Path
) -> None:
    env = {**project.env, **docker_engine.env, "DOCKER_HOST": proxy.host, "PATH": f"{heard}/bin:{docker_engine.env['PATH']}"}
    agent = copied(example, replace(project, env=env))
    if example == "custom":
        base = lent_python(docker_engine, stage_of(heard / "stage", aac_cache))
        agent.write({"agent.yaml": agent.read("agent.yaml").replace("docker.io/library/python:3.13-slim", base)})
    text, word = agent.read(SOURCES[example]), '"greeting"' if example == "custom" else '"Hello"'
    assert word in text

    def edited() -> Ran:
        agent.write({SOURCES[example]: text.replace(word, f'"{uuid4().hex}"')})
        return agent.agent("build", "--builder", "docker", timeout=900).ok()

    edited()  # what was built before may have come out of our cache, and an engine that is new has nothing
    before, _ = image_of(agent)
    (heard / "said").write_text("")
    sent = proxy.sent
    built = edited()
    after, _ = image_of(agent)
    changed = [new.blob.size for new, old in zip(after.layers, before.layers, strict=True) if new != old]
    assert len(changed) == 1
    room = ROOM if example in INTERPRETED else ROOM + CONVERSATION + authorities(env)
    assert 0 < proxy.sent - sent <= changed[0] + room
    said = f"{built.output}\n{(heard / 'said').read_text()}"
    assert FETCHING.findall(said) == []
    assert set(COMPILING.findall(said)) == ({"hello-rust"} if example == "rust" else set())
