"""The benchmarks run and print every row. Nothing here looks at a time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
