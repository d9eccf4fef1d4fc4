"""Texts that end in a label, a variable or a command of the image, where not every character can be written.

The writer of Dockerfiles refuses them too (`plan/dockerfile.py`); here the author is told where they stand in agent.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aac_tasks.spec.values import Path

_LINE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_FOLDED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")  # a block of YAML has lines, and is made one
_WORD = re.compile(r"[\x00\n]")

_PLACES: tuple[tuple[str, str, re.Pattern[str]], ...] = (
    ("metadata.description", "label", _FOLDED),
    ("metadata.author", "label", _LINE),
    ("metadata.version", "label", _LINE),
    ("metadata.tags.*", "label", _LINE),
    ("metadata.labels.*", "label", _LINE),
    ("spec.model.provider", "label", _LINE),
    ("spec.model.name", "label", _LINE),
    ("spec.models.*.provider", "label", _LINE),
    ("spec.models.*.name", "label", _LINE),
    ("spec.capabilities.*", "label", _LINE),
    ("spec.environment.*.value", "variable", _LINE),
    ("spec.entrypoint.*", "command", _WORD),
    ("spec.command.*", "command", _WORD),
    ("spec.args.*", "command", _WORD),
    ("spec.healthCheck.command.*", "command", _WORD),
    ("spec.build.commands.*", "command", _WORD),
)
"""Where it stands (``*``: each item or entry), what it becomes, what it must not hold."""


def one_line(doc: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """What can't be written, as findings: path, message, severity."""
    remedy = "write one line, or put the text into a file"
    for place, becomes, refused in _PLACES:
        for path, text in _texts(doc, place.split("."), ()):
            bad = refused.search(text)
            if bad:
                what = "a newline" if bad.group(0) == "\n" else repr(bad.group(0))
                yield path, f"holds {what}, which an image's {becomes} can't; {remedy}", "error"


def _texts(node: Any, way: Sequence[str], path: Path) -> Iterator[tuple[Path, str]]:
    """The texts at a place; the name of a label is part of its text."""
    if not way:
        if isinstance(node, str):
            yield path, node
    elif way[0] != "*":
        yield from _texts(node.get(way[0]), way[1:], (*path, way[0])) if isinstance(node, Mapping) else ()
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from ((p, f"{name}{text}") for p, text in _texts(value, way[1:], (*path, name)))
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for number, value in enumerate(node):
            yield from _texts(value, way[1:], (*path, number))
