"""The edit table: what is done again after an edit, and nothing else. Read `TABLE` as documentation.

One real project (Debian's Python, one dependency, the embedded builder, the runner of this machine, an OCI layout, target
`process`) is built, tested, pushed and deployed; then it is edited row after row, each on top of the ones before.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aac_tasks.contracts.result import Event
from aac_tasks.doit_bridge import run
from aac_tasks.session import Options, Session, with_environment
from aac_tasks.testing import Project, clean_environment

pytestmark = [pytest.mark.network, pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("edit-table")]

AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata:
  name: hello
  version: 1.0.0
  description: says hello
  labels: {run: 0}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  dependencies: [idna==3.10]
  entrypoint: [python3, main.py]
  ports: [{container: 18080}]
  healthCheck: {path: /}
  environment:
    - {name: PORT, value: 18080}
    - {name: MODE, value: plain}
    - {name: PLACE, value: "${HOME}"}
  resources: {limits: {memory: 256Mi}}
  config: {greeting: hello}
  image: {registry: "oci:dist", tags: [v1]}
  tests:
    - {type: http, name: answers, request: {path: /}, expect: {status: 200}}
  deploy: {target: process}
  profiles:
    prod: {resources: {limits: {memory: 1Gi}}}
"""

SERVER = """
import http.server, idna, json, os

port = int(os.environ["PORT"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""

FILES: Mapping[str, str] = {
    "agent.yaml": AGENT,
    "main.py": SERVER,
    "data/a.txt": "a\n",
    "data/b.txt": "b\n",
    "data/old.txt": "old\n",
    ".dockerignore": "# what stays at home\n*.secret\n",
}

Edit = Callable[[Path], object]


def replaced(name: str, old: str, new: str) -> Edit:
    """In a file, ``old`` becomes ``new``; it must be there."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert text.count(old) == 1, f"{old!r} is not once in {name}"
        (folder / name).write_text(text.replace(old, new))

    return edit


def spec(old: str, new: str) -> Edit:
    return replaced("agent.yaml", old, new)


def written(name: str, text: str) -> Edit:
    return lambda folder: (folder / name).write_text(text)


def other_port(folder: Path) -> None:
    """The port that is exposed and probed, and the agent is told of it."""
    spec("container: 18080", "container: 18082")(folder)
    spec("value: 18080", "value: 18082")(folder)


def relinked(folder: Path) -> None:
    (folder / "data/link").unlink()
    (folder / "data/link").symlink_to("b.txt")


def without_a_package(folder: Path) -> None:
    """What a lock made on another day could say: the base is another one."""
    lock = json.loads((folder / "agent.lock").read_text())
    base = lock["platforms"][0]["base"]
    base["files"] = [f for f in base["files"] if f["name"] != "netbase"]
    (folder / "agent.lock").write_text(json.dumps(lock))


def same_length_same_mtime(folder: Path) -> None:
    before = (folder / "data/b.txt").stat()
    (folder / "data/b.txt").write_text("B\n")
    os.utime(folder / "data/b.txt", ns=(before.st_atime_ns, before.st_mtime_ns))


def upgraded_plugin(folder: Path) -> None:
    """A stranger's plugin in a newer version: another folder in site-packages, as pip leaves it."""
    site = folder.parent / "site-packages"
    (site / "stranger-1.0.dist-info").rename(site / "stranger-2.0.dist-info")
    (site / "stranger-2.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 2.0\n")


def free_port() -> int:
    """Nobody else may have it: a host port that is asked for is never moved."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def respaced(folder: Path) -> None:
    """As a formatter of JSON leaves it."""
    lock = json.loads((folder / "agent.lock").read_text())
    (folder / "agent.lock").write_text(json.dumps(lock, indent=7))


def nothing(folder: Path) -> None:
    """No edit at all."""


@dataclass(frozen=True)
class Row:
    """``runs`` are the steps done, in order; ``layers`` those of the image that are another; ``cached`` are taken from the
    action cache; ``profile`` is for this run only.
    """

    what: str
    edit: Edit
    runs: str = ""
    layers: str = ""
    cached: str = ""
    profile: str = ""

    def __str__(self) -> str:
        return f"{self.what} → {self.runs or 'nothing'}"


ALL = "parse dockerfile image test push deploy"
FILE = "image test push deploy"
SECOND = "    - {type: structure, name: files, files: [{path: /app/main.py}]}"
TABLE = (
    Row("no edit", nothing),
    Row("touch", lambda folder: (folder / "main.py").touch()),
    Row("comment in agent.yaml", spec("kind: Agent", "kind: Agent  # comment")),
    Row("memory limit", spec("memory: 256Mi", "memory: 512Mi"), "parse deploy"),
    Row("profile", nothing, "parse deploy", profile="prod"),
    Row("host port", spec("{container: 18080}", f"{{container: 18080, host: {free_port()}}}"), "parse deploy"),
    Row("another tag of the image", spec("tags: [v1]", "tags: [v1, v2]"), "parse push"),
    Row("test definition", spec("status: 200", "status: 200, body: main"), "parse test"),
    Row("variable that is resolved at start", spec("${HOME}", "${LANG}"), "parse test deploy"),
    Row("read-only root", spec("deploy: {", "security: {readOnlyRootFilesystem: true}\n  deploy: {"), "parse test deploy"),
    Row("description", spec("says hello", "says good-bye"), "parse dockerfile image push deploy"),
    Row("annotation", spec("metadata:", "metadata:\n  annotations: {owner: me}"), "parse image push deploy"),
    Row("value in the environment", spec("value: plain", "value: fancy"), ALL),
    Row("entrypoint", spec("[python3, main.py]", "[python3, -B, main.py]"), ALL),
    Row("health check", spec("path: /}\n  env", "path: /main.py}\n  env"), ALL),
    Row("user", spec("{readOnlyRoot", "{runAsUser: 1234, readOnlyRoot"), ALL),
    Row("spec.config", spec("greeting: hello", "greeting: good-bye"), ALL, "files"),
    Row("port", other_port, ALL),
    Row("source line", replaced("main.py", "import http", "# a line\nimport http"), FILE, "application"),
    Row("its reversal", replaced("main.py", "# a line\n", ""), "push deploy", "application", "image test"),
    Row("same size, same mtime", same_length_same_mtime, FILE, "application"),
    Row("executable bit", lambda folder: (folder / "main.py").chmod(0o755), FILE, "application"),
    Row("mode without the executable bit", lambda folder: (folder / "main.py").chmod(0o700)),
    Row("link's target", relinked, FILE, "application"),
    Row("renamed file", lambda folder: (folder / "data/old.txt").rename(folder / "data/new.txt"), FILE, "application"),
    Row("added file", written("data/more.txt", "more\n"), FILE, "application"),
    Row("removed file", lambda folder: (folder / "data/more.txt").unlink(), "push deploy", "application", "image test"),
    Row("ignored file", written("my.secret", "1234")),
    Row("comment in .dockerignore", replaced(".dockerignore", "# what", "# this")),
    Row("pattern in .dockerignore that matches nothing", replaced(".dockerignore", "*.secret", "*.secret\n*.key"), "dockerfile"),
    Row("dependency added", spec("idna==3.10", "idna==3.10, iniconfig==2.0.0"), f"parse lock{ALL[5:]}", "dependencies"),
    Row("another base in agent.lock", without_a_package, ALL[6:], "base"),
    Row("plugin upgraded, same action", upgraded_plugin),
    Row("quotes around a value", spec("name: hello\n", 'name: "hello"\n')),
    Row("order of keys", spec("{type: http, name: answers,", "{name: answers, type: http,")),
    Row("empty list of what has none", spec("  deploy: {", "  volumes: []\n  deploy: {"), "parse"),
    Row("agent.lock with other white space", respaced),
    Row("profile that is not chosen", spec("memory: 1Gi", "memory: 2Gi")),
    Row("second test", spec("expect: {status: 200, body: main}}", "expect: {status: 200, body: main}}\n" + SECOND), "parse test"),
    Row("label", spec("labels: {", "labels: {team: a, "), "parse dockerfile image push deploy"),
    Row("model", spec("name: gpt-4o-mini", "name: gpt-4o"), ALL, "files"),
    Row("argument", spec("entrypoint:", "command: [--quiet]\n  entrypoint:"), ALL),
    Row("empty folder", lambda folder: (folder / "data/empty").mkdir(), FILE, "application"),
    Row("pattern in .dockerignore that matches", replaced(".dockerignore", "*.key", "*.key\ndata/new.txt"),
        "dockerfile image test push deploy", "application"),
)  # fmt: skip


@dataclass
class Outcome:
    """Step kind → how it ended; name of a layer → digest."""

    steps: dict[str, str] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    why: tuple[str, ...] = ()

    def of(self, status: str) -> str:
        return " ".join(kind for kind, ended in self.steps.items() if ended == status)


@dataclass
class Bench:
    """The project, and what was seen last."""

    project: Project
    runner: str = ""
    builder: str = ""
    steps: tuple[str, ...] = ("push", "deploy")

    def session(self, events: list[Event], profile: str = "") -> Session:
        options = Options(self.project.folder, profile, runner=self.runner, builder=self.builder, allow_host=True)
        return Session(with_environment(options, self.project.env), events.append)

    def run(self, profile: str = "") -> Outcome:
        """`agent push` and `agent deploy` in one go, or what else ``steps`` says."""
        events: list[Event] = []
        session = self.session(events, profile)
        code = run(session, self.steps)
        ended = {e.step.partition(":")[0]: e.type for e in events if e.type in ("done", "cached", "fresh", "failed")}
        assert code == 0, [e for e in events if e.type in ("failed", "note")]
        image = session.image("hello")
        assert image is not None
        why = tuple(f"{e.step} {e.type}: {e.text}" for e in events if e.type in ("start", "cached", "note"))
        return Outcome(ended, {x["name"]: x["digest"] for x in image["layers"]}, why)  # type: ignore[index,union-attr,call-overload]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, aac_cache: Path) -> Iterator[Bench]:
    """The project, deployed; what was deployed is stopped at the end."""
    top = tmp_path_factory.mktemp("edits")
    folder, home = top / "project", top / "home"
    for path in (folder, home, top / "site-packages/stranger-1.0.dist-info"):
        path.mkdir(parents=True)
    project = Project(folder, clean_environment(home, aac_cache)).write(FILES)
    spec("{run: 0}", f"{{run: {secrets.token_hex(8)}}}")(folder)  # the user's action cache has never seen this agent
    (folder / "data/link").symlink_to("a.txt")
    info = top / "site-packages/stranger-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[aac_tasks]\nstranger = stranger\n")
    (top / "site-packages/stranger.py").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(top / "site-packages")
        made = Bench(project)
        made.runner = made.session([]).hands.runner_choice.name  # and no other, should an engine start meanwhile
        made.run()
        yield made
        _remove_deployed(made)


def _remove_deployed(bench: Bench) -> None:
    session = bench.session([])
    outputs = session.outputs("hello", "deploy") or {}
    data = outputs.get("data")
    assert isinstance(data, dict)
    session.hands.remove_deployed("process", "hello", data)
    session.close()


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_an_edit_redoes_exactly_what_it_touches(row: Row, bench: Bench) -> None:
    before = bench.run()  # everything is up to date, whatever the row before left
    row.edit(bench.project.folder)
    after = bench.run(row.profile)
    assert after.of("done") == row.runs, after.why
    assert after.of("cached") == row.cached, after.why
    assert {name for name in after.layers if after.layers[name] != before.layers[name]} == set(row.layers.split())
    assert after.layers.keys() == before.layers.keys()
