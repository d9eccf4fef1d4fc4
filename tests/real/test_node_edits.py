"""The edit table of an agent in JavaScript: a source line is one layer, a dependency another. Read `TABLE` as documentation."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from real.test_edit_table import ALL, FILE, Bench, Edit, Row, nothing, replaced, spec

from aac_tasks.testing import Project, clean_environment

pytestmark = [pytest.mark.network, pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("node-edits")]

FILES: Mapping[str, str] = {
    "agent.yaml": """
        apiVersion: agent.dev/v1
        kind: Agent
        metadata:
          name: hello
          version: 1.0.0
          labels: {run: 0}
        spec:
          runtime: nodejs
          model: {provider: openai, name: gpt-4o-mini}
          dependencies: [ms@2.1.3]
          ports: [{container: 18090}]
          environment: [{name: PORT, value: 18090}]
          healthCheck: {path: /}
          image: {registry: "oci:dist", tags: [v1]}
          tests:
            - {type: http, name: answers, request: {path: /}, expect: {status: 200, body: "1s"}}
          deploy: {target: process}
    """,
    "package.json": json.dumps({"name": "hello", "version": "1.0.0", "dependencies": {"is-number": "7.0.0"}}),
    "index.js": """
        const ms = require("ms");
        require("is-number");
        require("http").createServer((request, response) => response.end(ms(1000))).listen(process.env.PORT);
        process.on("SIGTERM", () => process.exit(0));
    """,
}


def package(**fields: object) -> Edit:
    """Fields of package.json with other values."""

    def edit(folder: Path) -> None:
        path = folder / "package.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return edit


LOCK = f"parse lock{ALL[5:]}"
TABLE = (
    Row("no edit", nothing),
    Row("source line", replaced("index.js", "const ms", "// a line\nconst ms"), FILE, "application"),
    Row("version in package.json", package(version="1.0.1"), FILE, "application"),
    Row("dependency for development", package(devDependencies={"is-odd": "3.0.1"}), FILE, "application"),
    Row("health check", spec("path: /}\n  image", "path: /well}\n  image"), ALL),
    Row("dependency added in agent.yaml", spec("[ms@2.1.3]", "[ms@2.1.3, is-even@1.0.0]"), LOCK, "dependencies"),
    Row("another version in package.json", package(dependencies={"is-number": "6.0.0"}), LOCK[6:], "dependencies application"),
    Row("a wider range that locks to the same", spec("is-even@1.0.0", "is-even@^1.0.0"), "parse lock"),
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, aac_cache: Path) -> Iterator[Bench]:
    """The project, deployed; what was deployed is stopped at the end."""
    top = tmp_path_factory.mktemp("edits")
    for name in ("project", "home"):
        (top / name).mkdir()
    project = Project(top / "project", clean_environment(top / "home", aac_cache)).write(FILES)
    spec("{run: 0}", f"{{run: {secrets.token_hex(8)}}}")(project.folder)  # the user's action cache has never seen this agent
    made = Bench(project)
    made.runner = made.session([]).hands.runner_choice.name
    made.run()
    yield made
    session = made.session([])
    data = (session.outputs("hello", "deploy") or {})["data"]
    assert isinstance(data, dict)
    session.hands.remove_deployed("process", "hello", data)
    session.close()


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_an_edit_redoes_exactly_what_it_touches(row: Row, bench: Bench) -> None:
    before = bench.run()
    row.edit(bench.project.folder)
    after = bench.run()
    assert after.of("done") == row.runs, after.why
    assert {name for name in after.layers if after.layers[name] != before.layers[name]} == set(row.layers.split())
