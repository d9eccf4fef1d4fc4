"""The benchmarks run and print every row. Nothing here looks at a time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.growth import Point, growth_table, plot

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

WORKS = (
    "`python -c pass`",
    "`agent build`, nothing changed",
    "the physical limit: `os.stat` of the same",
    '`python -c "import doit"`',
    "`doit`, nothing changed",
    "peer: `doit` with `file_dep`, five steps",
    "`agent build`, one line of one source edited",
    "peak memory of `agent build`, large file in the context",
    "peak memory of `agent build`, many files in the context",
)


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.network
@pytest.mark.slow
def test_one_command_measures_every_work() -> None:
    command = [sys.executable, "benchmarks/run.py", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    for work in WORKS:
        (row,) = (r for r in rows if r[0].startswith(work))
        assert re.match(r"[\d.]+( MB, children up to [\d.]+ MB)?$", row[1] or row[4]), row
    assert len([r for r in rows if r[6]]) == 5, "each goal has a verdict"


def test_the_page_holds_a_table_with_every_work() -> None:
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    names = [row[0] for row in rows_of(page[page.index(BEGIN) : page.index(END)])]
    missing = [work for work in WORKS if not any(name.startswith(work) for name in names)]
    assert missing == []


BESIDE = {"engine table": ("docker", "podman", "langgraph"), "packagers table": ("task", "ko", "mvn", "bentoml")}


@pytest.mark.parametrize(("name", "peers"), BESIDE.items())
def test_the_page_holds_a_table_beside_every_peer(name: str, peers: tuple[str, ...]) -> None:
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    assert page.count(begin) == page.count(end) == 1
    names = [row[0] for row in rows_of(page[page.index(begin) : page.index(end)])]
    assert [peer for peer in peers if not any(one.startswith(f"peer: `{peer}") for one in names)] == []


SCALE_WORKS = (
    "peer: `ninja`, the same graph, nothing changed",
    "`agent build`, nothing changed",
    "the stat limit: an interpreter that stats the same files and does nothing else",
    "`doit`, nothing changed",
    "`doit image:a00002`, nothing changed",
    "one line of one agent edited: until its step starts",
    "20 agents edited: `agent build -n 1`",
    "20 agents edited: `agent build -n auto`",
    "peer: `doit` with `file_dep`",
    "peer: `task` (go-task)",
    "peer: `scons`",
    "cold compile of 5 agent.yaml",
    "cold compile of 5 agent.yaml, peak memory",
)


@pytest.mark.network
@pytest.mark.slow
def test_one_command_measures_a_workspace_of_many_agents() -> None:
    command = [sys.executable, "-m", "benchmarks", "--scale", "--agents", "5", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=540, check=False)
    names = [row[0] for row in rows_of(done.stdout)]
    assert [work for work in SCALE_WORKS if not any(name.startswith(work) for name in names)] == [], done.stderr


def test_growth_is_drawn_for_every_number_of_agents() -> None:
    points = [Point(10**power, 20.0 * 2**power, 300.0 * 2**power, 500.0 * 3**power, 40.0 + power) for power in range(5)]
    drawn = ElementTree.fromstring(plot(points))  # noqa: S314  # our own text
    lines = [one.get("points", "").split() for one in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    assert [len(line) for line in lines] == [5, 5, 5, 5], "three of time, one of memory"
    _, _, width, height = map(float, drawn.get("viewBox", "").split())
    places = [tuple(map(float, point.split(","))) for line in lines for point in line]
    assert all(0 < x < width and 0 < y < height for x, y in places)
    for line in lines:
        heights = [float(point.split(",")[1]) for point in line]
        assert heights == sorted(heights, reverse=True), "what costs more is drawn higher"
    assert len(list(growth_table(points))) == 2 + 5
