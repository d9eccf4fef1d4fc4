"""The meaning of .dockerignore patterns, as documented at
https://docs.docker.com/build/concepts/context/#dockerignore-files: Go's filepath.Match plus ``**``, comments,
``!`` exceptions, last match wins, a pattern that matches a folder takes everything below it.
"""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    """One line. ``matches`` is true of a path that it names, or that lies below one that it names."""

    matches: Callable[[str], object]
    negated: bool
    text: str


def parse_ignore_file(text: str) -> tuple[str, ...]:
    """The patterns of a .dockerignore file, without comments and blank lines."""
    return tuple(line for _, line in numbered(text))


def numbered(text: str) -> list[tuple[int, str]]:
    """The same with the numbers of their lines."""
    lines = enumerate((line.strip() for line in text.lstrip("\ufeff").splitlines()), 1)
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def why_ignored(path: str, rules: Iterable[tuple[str, str]]) -> str:
    """What is said of the rule that leaves ``path`` out, "" when none does. ``rules``: (what to say, pattern); the last wins."""
    found = ""
    for said, line in rules:
        pattern = _compile(line)
        if pattern and pattern.negated == bool(found) and pattern.matches(path):
            found = "" if pattern.negated else said
    return found


class IgnoreRules:
    """Decides which relative POSIX paths are left out."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(p for p in map(_compile, patterns) if p)
        self._negations = tuple(p.text for p in self._patterns if p.negated)

    def ignores(self, path: str) -> bool:
        """Whether ``path``, or a folder above it, is left out (last matching pattern wins)."""
        out = False
        for pattern in self._patterns:
            if pattern.negated == out and pattern.matches(path):
                out = not pattern.negated
        return out

    def prunes(self, folder: str) -> bool:
        """Whether nothing below ``folder`` can be wanted, so that it need not be listed."""
        return self.ignores(folder) and not any(_may_be_below(n, folder) for n in self._negations)


@functools.cache  # agents of one workspace have nearly all lines in common
def _compile(line: str) -> Pattern | None:
    negated = line.startswith("!")
    text = posixpath.normpath(line[1:].strip() if negated else line).lstrip("/")
    if text in ("", "."):
        return None
    return Pattern(_matcher(text), negated, text)


def _matcher(text: str) -> Callable[[str], object]:
    """Most lines are a plain path or ``**/name``: comparing text is faster than compiling an expression for each."""
    plain = text.removeprefix("**/")
    if any(c in plain for c in "*?[\\"):
        return re.compile(_regex(text) + r"(?:/.*)?\Z", re.DOTALL).match
    whole = f"/{plain}/"
    if plain == text:
        return lambda path: f"{path}/".startswith(whole[1:])
    return lambda path: whole in f"/{path}/"


def _may_be_below(pattern: str, folder: str) -> bool:
    """Whether a ``!`` pattern could match something below ``folder``: compares part by part until a wildcard."""
    for part, have in zip(pattern.split("/"), folder.split("/"), strict=False):
        if any(c in part for c in "*?[\\"):
            return True
        if part != have:
            return False
    return True


def _regex(text: str) -> str:
    """Go's filepath.Match syntax with ``**`` (moby/patternmatcher), as a Python regular expression."""
    out, i = "", 0
    while i < len(text):
        char = text[i]
        if text.startswith("**", i):
            i += 2
            if i < len(text) and text[i] == "/":
                out += "(?:.*/)?"
                i += 1
            else:
                out += ".*"
            continue
        if char == "[" and "]" in text[i + 2 :]:
            piece, i = _bracket(text, i)
            out += piece
            continue
        if char == "\\" and i + 1 < len(text):
            i += 1
            out += re.escape(text[i])
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char)
        i += 1
    return out


def _bracket(text: str, start: int) -> tuple[str, int]:
    end = text.index("]", start + 2)
    body = text[start + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
    return f"[{body}]", end + 1
