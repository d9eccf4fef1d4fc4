"""What differs between two actions or two trees, by name, old → new."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aac_tasks.contracts.canonical import Json, canonical

ABSENT = "(absent)"

LONG = 120
"""Characters of a value that are shown at most."""

_DIGEST = re.compile(r"\b((?:sha256:)?[0-9a-f]{12})[0-9a-f]{52}\b")
"""Nobody compares 64 digits by eye; JSON has them whole."""


@dataclass(frozen=True)
class Change:
    """``path`` is dotted (``recipes[hello].env.PORT``) for actions, relative for files. Values are JSON, or ABSENT."""

    path: str
    old: Json
    new: Json

    def __str__(self) -> str:
        return visible(f"{self.path}: {self.said}")

    @property
    def said(self) -> str:
        """``old → new``; of a text, the first line that differs."""
        return next(self.lines())

    def lines(self) -> Iterator[str]:
        """The same, of every line that differs."""
        if ABSENT in (self.old, self.new) and _is_long(self.old, self.new):
            yield "added" if self.old == ABSENT else "removed"
        elif isinstance(self.old, str) and isinstance(self.new, str) and "\n" in self.old + self.new:
            yield from _lines(self.old.splitlines(), self.new.splitlines())
        else:
            yield visible(f"{_show(self.old)} → {_show(self.new)}")


def visible(text: str) -> str:
    """One line that shows what would steer a terminal or break the line: names of files hold any character."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def compare(old: Json, new: Json, path: str = "") -> Iterator[Change]:
    """Leaves that differ, in the order of their paths. Things in lists that have names are known by them, others by what stays
    beside them; of a JSON file, values are leaves.
    """
    old, new = _beside(old, new), _beside(new, old)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            yield from compare(old.get(name, ABSENT), new.get(name, ABSENT), f"{path}.{name}" if path else name)
    elif isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        yield from _compare_lists(old, new, path)
    elif old != new:
        before, after = (_table(old), _table(new)) if path.endswith(".json") else ({}, {})
        yield from compare(before, after, path) if before and after and before != after else (Change(path, old, new),)


def _beside(value: Json, other: Json) -> Json:
    """What is absent, as an empty one of the other's sort: an action leaves out what holds its default, and the leaf that was
    set is the change, not all around it.
    """
    if value == ABSENT and isinstance(other, Mapping) and other:
        return {}
    return [] if value == ABSENT and isinstance(other, (list, tuple)) and other and _identity(other) == "name" else value


def _table(text: Json) -> Mapping[str, Json]:
    """What a JSON file says, {} of anything else."""
    try:
        value: Json = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return value if isinstance(value, Mapping) else {}


def _compare_lists(old: Sequence[Json], new: Sequence[Json], path: str) -> Iterator[Change]:
    identity = _identity(old, new)
    befores, afters = (_named(items, identity) for items in (old, new))
    if identity and not (len(old) == len(new) == 1 and befores.keys() != afters.keys()):  # one alone may have been renamed
        for name in {**befores, **afters}:
            yield from _compare_named(befores.get(name, {}), afters.get(name, {}), identity, f"{path}[{name}]")
        if [name for name in befores if name in afters] != [name for name in afters if name in befores]:
            yield Change(path, list(befores), list(afters))
        return
    for place, before, after in _aligned(old, new):
        here = f"{path}[{place}]"
        yield from (Change(here, before, after),) if ABSENT in (before, after) else compare(before, after, here)


def _compare_named(old: Mapping[str, Json], new: Mapping[str, Json], identity: str, path: str) -> Iterator[Change]:
    """Of what is another version the version is said: address, size and digest follow from it."""
    versions = [item.get("version", ABSENT) for item in (old, new)]
    if versions[0] != versions[1]:
        yield Change(path, *versions)
        return
    before, after = ({name: value for name, value in item.items() if name != identity} for item in (old, new))
    if (old and new) or (identity == "kind" and before != after):
        yield from compare(before, after, path)
    elif not (old and new):
        yield Change(path, _gist(before) if old else ABSENT, _gist(after) if new else ABSENT)


def _gist(thing: Mapping[str, Json]) -> Json:
    """What there is beside its name; where that is one value, the value."""
    return next(iter(thing.values())) if len(thing) == 1 else thing or "there"


def _identity(*lists: Sequence[Json]) -> str:
    """What things in these lists are told apart by; "" where nothing does."""
    return next((name for name in ("name", "kind") if all(len(_named(items, name)) == len(items) for items in lists)), "")


def _named(items: Sequence[Json], identity: str) -> dict[str, Mapping[str, Json]]:
    things = [item for item in items if isinstance(item, Mapping) and identity in item]
    return {str(thing[identity]): thing for thing in things}


def _aligned(old: Sequence[Json], new: Sequence[Json]) -> Iterator[tuple[int, Json, Json]]:
    """(place, before, after) of items that were changed, removed or added; all others stayed as they were."""
    from difflib import SequenceMatcher  # lazy: most runs have nothing to explain

    olds, news = ([item if isinstance(item, str) else canonical(item) for item in items] for items in (old, new))
    for _, a, a_end, b, b_end in (op for op in SequenceMatcher(None, olds, news).get_opcodes() if op[0] != "equal"):
        for i in range(max(a_end - a, b_end - b)):
            before = old[a + i] if a + i < a_end else ABSENT
            after = new[b + i] if b + i < b_end else ABSENT
            yield (b + i if b + i < b_end else a + i), before, after


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


def _lines(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Lines that differ, in words; blank ones only where there are no others."""
    edits = [(n + 1, str(a).strip(), str(b).strip()) for n, a, b in _aligned(old, new)]
    told = [visible(f"line {number}{_edit(a, b)}") for number, a, b in edits if {a, b} - {"", ABSENT}]
    yield from told or ["blank lines or line breaks differ"]


def _edit(before: str, after: str) -> str:
    if before == ABSENT:
        return f" added: {_show(after)}"
    return f" removed: {_show(before)}" if after == ABSENT else f": {_show(before)} → {_show(after)}"


def _is_long(*values: Json) -> bool:
    """Whether there is more to be seen than a line."""
    return any("\n" in value if isinstance(value, str) else len(json.dumps(value)) > LONG for value in values)


def _show(value: Json) -> str:
    text = _DIGEST.sub(r"\1…", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= LONG else f"{text[: LONG - 3]}..."
