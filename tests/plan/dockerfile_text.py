"""An independent reader of Dockerfiles, for tests of the writer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """One instruction as BuildKit would see it: its word, the rest of the line, and a here-document's text."""

    word: str
    rest: str
    document: str | None = None


def read(text: str) -> list[Instruction]:
    """An independent reader: lines, comments, continuations and here-documents, as the reference has them."""
    lines = text.split("\n")
    assert lines.pop() == ""
    found = []
    while lines:
        line = lines.pop(0)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        assert not re.search(r"\\[ \t]*$", line), f"continued line: {line!r}"
        word, _, rest = line.partition(" ")
        assert word in WORDS, f"not an instruction: {line!r}"
        document = None
        if word in ("COPY", "RUN", "ADD") and (mark := re.search(r'(?:^|\s)<<"(\w+)"', rest)):
            end = lines.index(mark.group(1))
            document, lines = "".join(f"{part}\n" for part in lines[:end]), lines[end + 1 :]
        found.append(Instruction(word, rest, document))
    return found


WORDS = ("FROM", "USER", "ADD", "COPY", "RUN", "ARG", "ENV", "LABEL", "EXPOSE", "WORKDIR", "STOPSIGNAL",
         "HEALTHCHECK", "ENTRYPOINT", "CMD")  # fmt: skip


def unquote(text: str) -> str:
    """A double-quoted word as BuildKit's lexer reads it; a bare ``$`` would be expanded, so there must be none."""
    assert text[0] == text[-1] == '"'
    out, inner = "", list(text[1:-1])
    while inner:
        char = inner.pop(0)
        assert char not in '"$', f"unescaped {char} in {text!r}"
        if char == "\\" and inner[0] in '"$\\':
            char = inner.pop(0)
        out += char
    return out


def values(text: str, word: str) -> dict[str, str]:
    pairs = (i.rest.partition("=") for i in read(text) if i.word == word)
    return {name.strip('"'): unquote(value) for name, _, value in pairs}


def words(text: str) -> list[str]:
    return [i.word for i in read(text)]


def argv(text: str, word: str) -> list[str]:
    rest = next(i.rest for i in read(text) if i.word == word)
    assert "<" not in rest
    return list(json.loads(rest[rest.index("[") :]))
