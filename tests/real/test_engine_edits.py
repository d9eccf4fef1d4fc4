"""The edit tables of what an engine builds: an own Dockerfile, and Python by builder docker. Read them as documentation."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.test_edit_table import FILES, Bench, Outcome, Row, nothing, replaced, spec, written
from real.test_engine_builders import lent_python
from runner_stage import stage_of

from aac_tasks.testing import Project, clean_environment

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

CUSTOM = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: hello, version: 1.0.0, description: counts, labels: {run: 0}}
spec:
  runtime: custom
  model: {provider: openai, name: gpt-4o-mini}
  build: {dockerfile: Dockerfile, args: {WORD: one}}
  environment: [{name: MODE, value: plain}]
  resources: {limits: {memory: 256Mi}}
  tests: [{type: structure, name: made, files: [{path: /app/word}]}]
"""
DOCKERFILE = """ARG WORD
FROM localhost/python:here
ARG WORD
WORKDIR /app
RUN ["python3", "-c", "import os; open('word', 'w').write(os.environ['WORD'])"]
COPY main.py /app/
CMD ["python3", "main.py"]
"""
MAIN = """import signal, sys

print("hello", flush=True)
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
signal.pause()
"""
TABLE = (
    Row("no edit", nothing),
    Row("touch", lambda folder: (folder / "main.py").touch()),
    Row("memory limit", spec("256Mi", "512Mi"), "parse"),
    Row("mode without the executable bit", lambda folder: (folder / "main.py").chmod(0o600)),
    Row("source line", replaced("main.py", "hello", "good-bye"), "image test"),
    Row("file that is not copied", written("notes.txt", "hello\n"), "image"),
    Row("argument of the build", spec("WORD: one", "WORD: two"), "parse image test"),
    Row("line of the Dockerfile", replaced("Dockerfile", 'CMD ["python3",', 'CMD ["python3", "-B",'), "dockerfile image test"),
    Row("value in the environment", spec("value: plain", "value: fancy"), "parse dockerfile image test"),
    Row("description", spec("counts", "tells"), "parse dockerfile image"),
)


PYTHON = (
    Row("no edit", nothing),
    Row("touch", lambda folder: (folder / "main.py").touch()),
    Row("memory limit", spec("memory: 256Mi", "memory: 512Mi"), "parse"),
    Row("test definition", spec("status: 200", "status: 200, body: main"), "parse"),
    Row("source line", replaced("main.py", "import http", "# a line\nimport http"), "image", "application"),
    Row("description", spec("says hello", "says good-bye"), "parse dockerfile image"),
    Row("dependency added", spec("idna==3.10", "idna==3.10, iniconfig==2.0.0"), "parse lock dockerfile image", "dependencies"),
)


def bench_in(top: Path, cache: Path, engine: Engine, files: Mapping[str, str], step: str = "test") -> Bench:
    """The project, run once up to that step; the user's action cache has never seen this agent."""
    for name in ("project", "home"):
        (top / name).mkdir()
    env = {**clean_environment(top / "home", cache), **engine.env}
    project = Project(top / "project", env).write(files)
    spec("{run: 0}", f"{{run: {secrets.token_hex(8)}}}")(project.folder)
    made = Bench(project, runner="docker", builder="docker", steps=(step,))
    made.run()
    return made


def check(after: Outcome, row: Row) -> None:
    """Exactly the row's steps; of an engine that was silent for too long we are right to say that the image may be gone."""
    silent = any("can't be asked for" in why for why in after.why)
    done, expected = ([kind for kind in text.split() if kind != "image" or not silent] for text in (after.of("done"), row.runs))
    assert done == expected, after.why


@pytest.fixture(scope="module")
def custom(tmp_path_factory: pytest.TempPathFactory, aac_cache: Path, docker_engine: Engine) -> Iterator[Bench]:
    top = tmp_path_factory.mktemp("custom")
    lent_python(docker_engine, stage_of(top / "stage", aac_cache))
    yield bench_in(top, aac_cache, docker_engine, {"agent.yaml": CUSTOM, "Dockerfile": DOCKERFILE, "main.py": MAIN})


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_an_edit_beside_an_own_dockerfile_redoes_exactly_what_it_touches(row: Row, custom: Bench) -> None:
    custom.run()  # everything is up to date, whatever the row before left
    row.edit(custom.project.folder)
    after = custom.run()
    check(after, row)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, aac_cache: Path, docker_engine: Engine) -> Iterator[Bench]:
    yield bench_in(tmp_path_factory.mktemp("python"), aac_cache, docker_engine, FILES, "image")


@pytest.mark.parametrize("row", PYTHON, ids=str)
def test_an_edit_of_python_that_an_engine_builds_redoes_exactly_what_it_touches(row: Row, python: Bench) -> None:
    before = python.run()
    row.edit(python.project.folder)
    after = python.run()
    check(after, row)
    assert {name for name in after.layers if after.layers[name] != before.layers[name]} == set(row.layers.split())
