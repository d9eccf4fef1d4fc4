"""The examples in Go and Rust through the real commands: built, tested, pushed, the same elsewhere, and edited. Read `TABLE`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from real.test_compiled_judge import example

from aac_tasks.testing import Project, clean_environment, command, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("compiled-agents")]

PROGRAMS = {"go": ("go",), "rust": ("cargo", "cc")}


@dataclass
class Bench:
    """An example as somebody's project: `agent push` again and again, and what it did."""

    language: str
    project: Project

    def push(self, *flags: str) -> tuple[str, dict[str, str]]:
        """The steps that were done, and the layers that the image has now."""
        ran = self.project.agent("push", "--allow-host", "--json", *flags, timeout=900).ok()
        steps = [s["step"].partition(":")[0] for s in json.loads(ran.stdout)["steps"] if s["status"] in ("done", "cached")]
        image = json.loads(self.project.agent("inspect", "--json").ok().stdout)
        return " ".join(steps), {layer["name"]: layer["digest"] for layer in image["layers"]}


def user(top: Path, cache: Path) -> Project:
    for name in ("project", "home"):
        (top / name).mkdir(parents=True)
    cache.mkdir(parents=True, exist_ok=True)
    return Project(top / "project", clean_environment(top / "home", cache))


@pytest.fixture(scope="module", params=sorted(PROGRAMS))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, aac_cache: Path) -> Iterator[Bench]:
    """The example, pushed once, its lock as the author would commit it."""
    need(all(shutil.which(program) for program in PROGRAMS[request.param]), f"the tools of {request.param} are not installed")
    project = user(tmp_path_factory.mktemp(request.param), aac_cache)
    project.write(example(request.param))
    made = Bench(request.param, project)
    made.push()
    yield made


def test_an_example_is_built_tested_and_pushed(bench: Bench) -> None:
    done, layers = bench.push()
    assert done == ""
    assert list(layers) == ["base", "probe", "files", *(["application"] if bench.language == "go" else []), "compiled"]
    index = json.loads(bench.project.read("dist/index.json"))
    pushed = json.loads(bench.project.agent("inspect", "--json").ok().stdout)["digest"]
    assert [m["digest"] for m in index["manifests"]] == [pushed]


def test_somebody_else_builds_the_same_image_with_nothing_there_yet(bench: Bench, tmp_path: Path) -> None:
    """Another folder, home, cache, umask and time zone; the base alone is taken along, it is Debian's business."""
    other = user(tmp_path / "someone else's/much deeper", tmp_path / "cache")
    other.write(example(bench.language))
    shutil.copy(bench.project.folder / "agent.lock", other.folder)
    script = 'umask 077; export TZ=Asia/Kolkata; exec "$@"'
    argv = ("/bin/sh", "-c", script, "sh", *command("agent"), "build", "--json")
    other.run(argv, timeout=900).ok()
    digest = [json.loads(p.agent("inspect", "--json").ok().stdout)["digest"] for p in (bench.project, other)]
    assert digest[0] == digest[1]


Edit = Callable[[Path], object]


def replaced(old: str, new: str, *names: str) -> Edit:
    """In the first of these files that is there, ``old`` becomes ``new``."""

    def edit(folder: Path) -> None:
        path = next(folder / name for name in (*names, "main.go", "src/main.rs") if (folder / name).exists())
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return edit


@dataclass(frozen=True)
class Row:
    """``runs`` are the steps done; ``layers`` those that are others afterwards."""

    what: str
    edit: Edit
    runs: str = ""
    layers: str = ""

    def __str__(self) -> str:
        return f"{self.what} → {self.runs or 'nothing'}"


FILE = "image test push"
TABLE = (
    Row("no edit", lambda folder: None),
    Row("source line", replaced("listening on", "ready on"), FILE, "compiled"),
    Row("its reversal", replaced("ready on", "listening on"), FILE, "compiled"),
    Row("comment behind the code", replaced("{\n", "{ // hello\n"), "image"),
    Row("file that no program reads", lambda folder: (folder / "NOTES.md").write_text("hello\n"), "image"),
    Row("description", replaced("Greets whoever", "Salutes whoever", "agent.yaml"), "parse dockerfile image push"),
    Row("value in the environment", replaced("value: Hello}", "value: Hello}\n    - {name: MODE, value: x}", "agent.yaml"),
        "parse dockerfile image test push"),
    Row("interval of the probe", replaced("interval: 10s", "interval: 11s", "agent.yaml"), "parse dockerfile image test push"),
)  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_an_edit_redoes_exactly_what_it_touches_and_fetches_nothing(row: Row, bench: Bench) -> None:
    check(row, bench)


@pytest.mark.parametrize("bench", ["go"], indirect=True)
def test_a_file_that_the_program_reads_is_in_a_layer_of_its_own(bench: Bench) -> None:
    check(Row("file", lambda folder: (folder / "greetings/fr.txt").write_text("Bonjour"), FILE, "application"), bench)


def check(row: Row, bench: Bench) -> None:
    _, before = bench.push("--offline")
    row.edit(bench.project.folder)
    done, after = bench.push("--offline")
    assert {name for name in after if after[name] != before[name]} == set(row.layers.split())
    assert done == row.runs
