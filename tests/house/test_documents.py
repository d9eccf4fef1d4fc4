"""What the documents say about this repository is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(TREE.glob("*.md")), *sorted((TREE / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("pattern", [r"^python3 -m venv .*/bin/doit$", r"/bin/pytest$"])
def test_the_readme_has_exactly_one_of_each_command_that_ci_runs(pattern: str) -> None:
    lines = (TREE / "README.md").read_text().splitlines()
    assert len([line for line in lines if re.search(pattern, line)]) == 1
    assert pattern in (TREE / ".ci/run").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(TREE).as_posix())
def test_a_relative_link_leads_to_a_file(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_there_are_links_to_check() -> None:
    assert len(LINK.findall((TREE / "README.md").read_text())) >= 5
