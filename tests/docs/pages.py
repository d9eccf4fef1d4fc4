"""The blocks of a Markdown page that a test can run.

A fence opens a block; its info string says what it is::

    ```console                    commands behind "$ ", each followed by what it prints; "..." stands for any text,
                                  alone on a line for any lines; "# exits 3" behind a command: that is its exit code
    ```yaml title="agent.yaml"    a file to write (any language)
    ```text                       nothing to run: a diagram, a piece of output

Everything else is refused by the test, so that no block is there that nobody ever ran. What a reader need not see
stands in comments of their own line::

    <!-- needs: skopeo, curl -->          programs without which the page is not run
    <!-- with: registry -->               registry.example.org is a real server that asks for a password
    <!-- with: cluster -->                scheduler.example.org:8786 is a real Dask scheduler with one worker
    <!-- run: COMMAND -->                 run here, unseen
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(r"^```(\w*)\s*(?:title=\"([^\"]+)\")?\s*$")
COMMENT = re.compile(r"^<!-- (needs|with|run): (.+?) -->$")
EXITS = re.compile(r"\s+# exits (\d+)$")


@dataclass(frozen=True)
class Write:
    """A file to write."""

    line: int
    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command line for bash, what it prints (with "..." for what differs), and its exit code. Lines count from 1."""

    line: int
    text: str
    expected: tuple[str, ...] = ()
    code: int = 0


@dataclass(frozen=True)
class Refused:
    """A block that nothing runs."""

    line: int
    language: str


@dataclass(frozen=True)
class Note:
    """``needs`` or ``with``, and the words behind it."""

    line: int
    kind: str
    words: tuple[str, ...]


Piece = Write | Command | Refused | Note


def pieces(text: str) -> Iterator[Piece]:
    """Everything of a page that a test has to look at, in order."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        opened, comment = FENCE.match(lines[at]), COMMENT.match(lines[at])
        if comment:
            yield _comment(at + 1, comment[1], comment[2])
        if opened is None:
            at += 1
            continue
        end = next((i for i in range(at + 1, len(lines)) if lines[i] == "```"), len(lines))
        yield from _block(at + 1, opened[1], opened[2] or "", lines[at + 1 : end])
        at = end + 1


def _comment(line: int, kind: str, rest: str) -> Piece:
    if kind == "run":
        return Command(line, rest, ("...",))
    return Note(line, kind, tuple(word.strip() for word in rest.split(",")))


def _block(line: int, language: str, title: str, body: list[str]) -> Iterator[Piece]:
    if title:
        yield Write(line, title, "\n".join(body) + "\n")
    elif language == "console":
        yield from _commands(line, body)
    elif language != "text":
        yield Refused(line, language)


def _commands(line: int, body: list[str]) -> Iterator[Command]:
    """``$ command`` (``> `` goes on), then its output."""
    at = 0
    while at < len(body):
        if not body[at].startswith("$ "):
            raise ValueError(f"line {line + at + 1}: expected '$ command', found {body[at]!r}")
        end = next((i for i in range(at + 1, len(body)) if body[i].startswith("$ ")), len(body))
        said = body[at + 1 : end]
        more = [text[2:] for text in said if text.startswith("> ")]
        exits = EXITS.search(body[at])
        text = "\n".join([EXITS.sub("", body[at][2:]), *more])
        yield Command(line + at + 1, text, tuple(said[len(more) :]), int(exits[1]) if exits else 0)
        at = end


def differs(expected: tuple[str, ...], output: str) -> str:
    """What is missing in ``output``, "" when nothing is. Its lines may stand anywhere in it, but in this order.

    Lines may be left out at either end of the output and between expected lines only where a line "..." says so.
    """
    actual = [line.rstrip() for line in output.strip("\n").splitlines()]
    at, free = 0, False
    for line in expected:
        if line.strip() == "...":
            free = True
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split("...")))
        limit = len(actual) if free else min(at + 1, len(actual))
        found = next((i for i in range(at, limit) if pattern.fullmatch(actual[i])), None)
        if found is None:
            seen = actual[at] if at < len(actual) else "(the end of the output)"
            return f"expected {line!r}, found {seen!r}" if not free else f"expected {line!r} somewhere below"
        at, free = found + 1, False
    if expected and not free and at < len(actual):
        return f"more was printed than is shown: {actual[at]!r}"
    return ""
