"""What differs between two actions or two trees, by name, old → new."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from aac_tasks.contracts.canonical import Json

ABSENT = "(absent)"

_DIGEST = re.compile(r"\b((?:sha256:)?[0-9a-f]{12})[0-9a-f]{52}\b")
"""Nobody compares 64 digits by eye; JSON has them whole."""


@dataclass(frozen=True)
class Change:
    """``path`` is dotted (``recipes[0].env.PORT``) for actions, relative for files. Values are JSON, or ABSENT."""

    path: str
    old: Json
    new: Json

    def __str__(self) -> str:
        if isinstance(self.old, str) and isinstance(self.new, str) and "\n" in self.old + self.new:
            return f"{self.path}{_first_line(self.old, self.new)}"
        return f"{self.path}: {_show(self.old)} → {_show(self.new)}"


def compare(old: Json, new: Json, path: str = "") -> Iterator[Change]:
    """Leaves that differ, in the order of their paths; a list whose length changed is compared item by item."""
    if old == ABSENT and isinstance(new, Mapping) and new:
        old = {}  # an action leaves out what holds its default: the leaf that was set is the change, not all around it
    elif new == ABSENT and isinstance(old, Mapping) and old:
        new = {}
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            yield from compare(old.get(name, ABSENT), new.get(name, ABSENT), f"{path}.{name}" if path else name)
    elif _is_list(old) and _is_list(new):
        assert isinstance(old, Sequence) and isinstance(new, Sequence)  # noqa: S101  # narrows the type
        for i in range(max(len(old), len(new))):
            before = old[i] if i < len(old) else ABSENT
            after = new[i] if i < len(new) else ABSENT
            yield from compare(before, after, f"{path}[{i}]")
    elif old != new:
        yield Change(path, old, new)


def compare_files(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Files that were added, removed or changed, said in words."""
    for path in sorted({*old, *new}):
        if path not in old:
            yield Change(path, ABSENT, "added")
        elif path not in new:
            yield Change(path, "there", "removed")
        elif old[path] != new[path]:
            yield Change(path, *_words(old[path], new[path]))


def _words(old: str, new: str) -> tuple[str, str]:
    """``f:`` file, ``x:`` executable file, ``l:`` link (see ContextFile.content)."""
    if old[:1] + new[:1] in ("fx", "xf") and old[2:] == new[2:]:
        return ("executable", "not executable") if old[0] == "x" else ("not executable", "executable")
    if old[:1] == new[:1] == "l":
        return old[2:], new[2:]
    return f"sha256 {old[2:14] or old}", f"sha256 {new[2:14] or new}"


def _first_line(old: str, new: str) -> str:
    """The first of a text's lines that differs."""
    pairs = zip_longest(old.splitlines(), new.splitlines(), fillvalue=ABSENT)
    for number, (before, after) in enumerate(pairs, 1):
        if before != after:
            return f" line {number}: {_show(before)} → {_show(after)}"
    return ": line breaks differ"


def _is_list(value: Json) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _show(value: Json) -> str:
    if value == ABSENT:
        return ABSENT
    text = _DIGEST.sub(r"\1…", value if isinstance(value, str) else repr(value))
    return text if len(text) <= 120 else f"{text[:117]}..."
