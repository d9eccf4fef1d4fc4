from __future__ import annotations

from pathlib import Path

import pytest
from cli.scene import Stage

from aac_tasks.cli import commands
from aac_tasks.cli.reference import text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "commands.md"


def test_the_reference_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "run: python -m aac_tasks.cli.reference > docs/reference/commands.md"


@pytest.mark.parametrize("name", commands.NAMES)
@pytest.mark.parametrize("asked", [("{}", "--help"), ("{}", "-h"), ("help", "{}"), ("{}", "x", "--no-such-flag", "--help")])
def test_every_command_explains_itself_as_on_the_reference_page(stage: Stage, name: str, asked: tuple[str, ...]) -> None:
    said = stage(*(word.format(name) for word in asked))
    assert (said.code, said.err, said.sessions) == (0, "", [])
    assert f"## agent {name}\n\n```text\n{said.out}```" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("asked", [(), ("--help",), ("-h",), ("help",)])
def test_without_a_command_the_overview_is_shown(stage: Stage, asked: tuple[str, ...]) -> None:
    said = stage(*asked)
    assert said.code == 0
    assert all(f"  {name} " in said.out for name in commands.NAMES)


@pytest.mark.parametrize("name", commands.NAMES)
def test_every_example_in_a_help_text_is_a_command_line_that_parses(name: str) -> None:
    import shlex

    from aac_tasks.cli.flags import WORK
    from aac_tasks.cli.parsing import find_command, parse

    command = commands.command(name)
    for example in command.examples:
        words = shlex.split(example.partition(" > ")[0])
        assert words[0] == "agent"
        word, rest = find_command(words[1:], WORK)
        assert word == name
        parse(command, rest)


@pytest.mark.parametrize("path", sorted((ROOT / "aac_tasks" / "cli" / "commands").glob("*.py")), ids=lambda p: p.name)
def test_a_command_is_one_short_file(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 120


def test_every_file_among_the_commands_is_a_command() -> None:
    files = {p.stem for p in (ROOT / "aac_tasks" / "cli" / "commands").glob("*.py")} - {"__init__"}
    assert files == set(commands.NAMES)


def test_help_texts_fit_a_terminal_of_a_hundred_columns() -> None:
    assert max(map(len, text().splitlines())) <= 102
