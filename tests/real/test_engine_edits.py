"""The edit table of what an engine builds: an own Dockerfile. Read `TABLE` as documentation."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.test_edit_table import Bench, Row, nothing, replaced, spec, written
from real.test_engine_builders import lent_python, stage_of

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


def bench_in(top: Path, cache: Path, engine: Engine, files: dict[str, str]) -> Bench:
    """The project, tested once; the user's action cache has never seen this agent."""
    for name in ("project", "home"):
        (top / name).mkdir()
    env = {**clean_environment(top / "home", cache), **engine.env}
    project = Project(top / "project", env).write(files)
    spec("{run: 0}", f"{{run: {secrets.token_hex(8)}}}")(project.folder)
    made = Bench(project, runner="docker", builder="docker", steps=("test",))
    made.run()
    return made


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
    assert after.of("done") == row.runs, after.why
