from __future__ import annotations

from dataclasses import dataclass

import pytest

from aac_tasks.catalog import Table
from aac_tasks.errors import PluginError


@dataclass(frozen=True)
class Word:
    """A registered thing that is only a name."""

    name: str


TABLE: Table[Word] = Table(
    "runtime", {"python": Word("python"), "rust": Word("rust")}, {"python": "a", "rust": "b"}
)


def test_a_name_that_is_there_is_found() -> None:
    assert TABLE.get("rust") == Word("rust")
    assert "rust" in TABLE
    assert [word.name for word in TABLE] == ["python", "rust"]


def test_a_near_miss_is_answered_with_the_nearest_name_and_all_there_are() -> None:
    with pytest.raises(PluginError) as refused:
        TABLE.get("pyton")
    assert str(refused.value).startswith(
        "unknown runtime 'pyton'; did you mean 'python'? (installed: python, rust;"
    )


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(PluginError) as refused:
        TABLE.get("cobol")
    assert str(refused.value).startswith("unknown runtime 'cobol' (installed: python, rust;")


def test_an_empty_table_says_that_it_is_empty() -> None:
    empty: Table[Word] = Table("deployer")
    assert "x" not in empty
    assert "installed: none" in empty.unknown("x")
