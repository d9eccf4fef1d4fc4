"""What the YAML parser says → what the author can do about it."""

from __future__ import annotations

from typing import Any

_ADVICE = (
    ("mapping values are not allowed",
     "': ' within an unquoted text, or a line indented too far; put the text in quotes or align the key"),
    ("could not find expected ':'",
     "this line is neither `key: value` nor indented below its key; add the ':' or align it"),
    ("unexpected end of stream", "a quote is opened here and never closed"),
    ("did not find expected ',' or ']'", "a '[' is opened here and never closed, or a ',' is missing"),
    ("did not find expected ',' or '}'", "a '{' is opened here and never closed, or a ',' is missing"),
    ("did not find expected '-' indicator",
     "this list is followed by something that is not `- item` at the same indentation"),
    ("did not find expected key", "this line is not indented like the keys around it"),
    ("unknown escape character",
     "a '\\' within double quotes begins an escape; use single quotes, or write '\\\\'"),
    ("undefined tag handle", "a text that begins with '!' is a tag in YAML; put it in quotes"),
    ("while scanning an alias", "a text that begins with '*' is an alias in YAML; put it in quotes"),
    ("while scanning an anchor", "a text that begins with '&' is an anchor in YAML; put it in quotes"),
    ("block sequence entries are not allowed",
     "a list item can't begin here; put it on a line of its own below the key"),
)  # fmt: skip
_AT_CONTEXT = (
    "unexpected end of stream",
    "did not find expected ',' or",
    "did not find expected '-' indicator",
)


def explain(error: Any, text: str) -> tuple[int, int, str]:
    """Line, column (from 1) and message for a ``yaml.YAMLError`` about ``text``."""
    if not hasattr(error, "problem_mark"):  # a ReaderError: knows the character's offset only
        return _unreadable(error, text)
    problem = str(error.problem or "")
    context = str(error.context or "")
    opened = error.context_mark is not None and any(part in problem for part in _AT_CONTEXT)
    mark = error.context_mark if opened else error.problem_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    if "cannot start any token" in problem:
        return line, column, _bad_start(text, line, column)
    for pattern, advice in _ADVICE:
        if pattern in problem or pattern in context:
            return line, column, f"not YAML: {advice}"
    return line, column, f"not YAML: {', '.join(part for part in (context, problem) if part)}"


def _unreadable(error: Any, text: str) -> tuple[int, int, str]:
    bad = next((i for i, char in enumerate(text) if _forbidden(char)), 0)
    line = text.count("\n", 0, bad) + 1
    column = bad - (text.rfind("\n", 0, bad) + 1) + 1
    shown = f"U+{ord(text[bad]):04X}" if bad < len(text) else "a character"
    return (
        line,
        column,
        f"the control character {shown} can't stand in YAML; remove it, or write an escape in double quotes",
    )


def _forbidden(char: str) -> bool:
    """https://yaml.org/spec/1.2.2/#51-character-set: not c-printable."""
    code = ord(char)
    return (
        (code < 0x20 and char not in "\t\n\r")
        or (0x7F <= code < 0xA0 and code != 0x85)
        or code in (0xFFFE, 0xFFFF)
    )


def _bad_start(text: str, line: int, column: int) -> str:
    lines = text.split("\n")
    found = lines[line - 1][column - 1 : column] if 0 < line <= len(lines) else ""
    if found == "\t":
        return "a tab is used for indentation; YAML takes spaces only"
    return f"not YAML: a text can't begin with {found!r}; put it in quotes"
