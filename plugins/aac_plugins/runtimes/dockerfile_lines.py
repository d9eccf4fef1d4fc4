"""A Dockerfile's instructions, read as BuildKit reads them (https://docs.docker.com/reference/dockerfile/): directives, lines
that go on, comments, here-documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_DIRECTIVE = re.compile(r"\s*#\s*([A-Za-z]+)\s*=\s*(\S+)\s*")
_HEREDOC = re.compile(r"(?:(?<=\s)|^)\d*<<(-?)([\"']?)([A-Za-z_][\w.]*)\2(?=\s|$)")


@dataclass(frozen=True)
class Line:
    """One instruction, its lines joined. ``number`` is its first line in the file, from 1, ``end`` its last, here-documents
    included; ``places`` says where each of its characters is.
    """

    text: str
    number: int
    end: int
    places: Sequence[int]

    @property
    def word(self) -> str:
        """What it is, in capitals: ``COPY``."""
        return self.text.split(None, 1)[0].upper()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where characters of it are in the file."""
        return self.places[start], self.places[end - 1] + 1


def instructions(text: str) -> Iterator[Line]:
    """Every instruction, in order."""
    lines = text.splitlines(keepends=True)
    escape, number, offset = _escape(text), 0, 0
    while number < len(lines):
        first, joined, more = number, "", True
        places: list[int] = []
        while more and number < len(lines):
            line = lines[number].rstrip("\r\n")
            blank = not line.strip() or line.lstrip().startswith("#")
            kept = "" if blank else line
            more = bool(joined) if blank else kept.rstrip().endswith(escape)
            kept = kept.rstrip()[:-1] if more and not blank else kept
            joined += kept
            places += range(offset, offset + len(kept))
            offset += len(lines[number])
            number += 1
        indent = len(joined) - len(joined.lstrip())
        if joined.strip():
            skipped = _heredocs(joined, lines[number:])
            offset += sum(map(len, lines[number : number + skipped]))
            number += skipped
            yield Line(joined[indent:], first + 1, number, places[indent:])


def directives(text: str) -> Iterator[tuple[Line, re.Match[str]]]:
    """What the first lines tell the reader: ``# syntax=docker/dockerfile:1``. Line, and name and value."""
    offset = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        found = _DIRECTIVE.fullmatch(line)
        if not found:
            return
        yield Line(line, number, number, range(offset, offset + len(line))), found
        offset += len(line)


def _escape(text: str) -> str:
    return next((found[2] for _, found in directives(text) if found[1].lower() == "escape"), "\\")


def _heredocs(instruction: str, following: Sequence[str]) -> int:
    """How many lines the here-documents of an instruction take."""
    if not re.match(r"\s*(?:RUN|COPY|ADD)\s", instruction, re.IGNORECASE):
        return 0
    at = 0
    for tabs, _, mark in _HEREDOC.findall(instruction):
        ends = (i for i in range(at, len(following)) if _ended(following[i].rstrip("\r\n"), mark, bool(tabs)))
        at = next(ends, at - 1) + 1  # without an end it was none
    return at


def _ended(line: str, mark: str, tabs: bool) -> bool:
    return (line.lstrip("\t") if tabs else line) == mark
