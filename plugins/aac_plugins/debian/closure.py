"""From the packages one wants to all that they need, in the order in which they are unpacked.

Source: Debian policy, chapter 7 (https://www.debian.org/doc/debian-policy/ch-relationships.html).
Conflicts and Breaks are not looked at: within one suite, the newest versions of a few libraries and an
interpreter fit together, and a choice between alternatives always falls on the first that is there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aac_plugins.debian.index import Index, Record
from aac_tasks.errors import StepError

_RELATION = re.compile(
    r"(?P<name>[a-zA-Z0-9][a-zA-Z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(?P<sign><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s)]+)\s*\))?"
)
_SIGNS: dict[str, Callable[[int], bool]] = {
    "<<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "<": lambda order: order <= 0,  # policy 7.1: the old signs mean "or equal"
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    ">": lambda order: order >= 0,
    ">>": lambda order: order > 0,
}
_PRIORITIES = ("required", "important", "standard", "optional", "extra")


@dataclass(frozen=True)
class Relation:
    """``name (sign version)``; no sign: any version will do."""

    name: str
    sign: str = ""
    version: str = ""

    def accepts(self, version: str) -> bool:
        """Whether ``version`` is one of those asked for."""
        return not self.sign or _SIGNS[self.sign](compare(version, self.version))

    def __str__(self) -> str:
        return f"{self.name} ({self.sign} {self.version})" if self.sign else self.name


def compare(left: str, right: str) -> int:
    """Negative, zero or positive, in Debian's order of versions (``~`` comes before the end)."""
    # Imported here: only a run that locks a Debian base compares versions.
    from debian.debian_support import NativeVersion

    a, b = NativeVersion(left), NativeVersion(right)
    return -1 if a < b else int(a > b)


def parse_relations(text: str) -> list[list[Relation]]:
    """Read a dependency field: groups of alternatives; StepError when it can't be read."""
    return [[_relation(option) for option in group.split("|")] for group in text.split(",") if group.strip()]


def _relation(text: str) -> Relation:
    match = _RELATION.fullmatch(text.strip())
    if match is None:
        raise StepError(f"can't read the dependency {text.strip()!r}; expected name, or name (>= version)")
    return Relation(match["name"], match["sign"] or "", match["version"] or "")


class Universe:
    """Several indices seen as one: of each package the newest version counts."""

    def __init__(self, indices: Sequence[Index]) -> None:
        self._indices = tuple(indices)
        self._best: dict[str, Record | None] = {}

    def best(self, name: str) -> Record | None:
        """The newest version of a real package, or None."""
        if name not in self._best:
            found: Record | None = None
            for record in (r for index in self._indices for r in index.records(name)):
                if found is None or compare(record.version, found.version) > 0:
                    found = record
            self._best[name] = found
        return self._best[name]

    def names(self, prefix: str = "") -> list[str]:
        """Names that start with ``prefix``, sorted."""
        return sorted({name for index in self._indices for name in index.names(prefix)})

    def satisfying(self, relation: Relation) -> list[Record]:
        """Packages that satisfy ``relation``: the real one, then providers by priority and name."""
        real = self.best(relation.name)
        found = [real] if real is not None and relation.accepts(real.version) else []
        names = {name for index in self._indices for name in index.providers(relation.name)} - {relation.name}
        providers = (record for name in names if (record := self.best(name)) is not None)
        return found + sorted((p for p in providers if _provides(p, relation)), key=_preference)

    def near(self, name: str) -> list[str]:
        """Up to three names that ``name`` may have been meant to be."""
        return difflib.get_close_matches(name, self.names(name[:1]), n=3, cutoff=0.7)


def _provides(record: Record, relation: Relation) -> bool:
    """Policy 7.5: a provided name without a version satisfies only a relation without one."""
    for group in parse_relations(record.provides):
        given = group[0]
        if given.name == relation.name and (not relation.sign or (given.version and relation.accepts(given.version))):
            return True
    return False


def _preference(record: Record) -> tuple[int, str]:
    known = record.priority in _PRIORITIES
    return (_PRIORITIES.index(record.priority) if known else len(_PRIORITIES), record.name)


class Closure:
    """Collects what is needed; ``left_out(needing, needed)`` says which dependencies are not followed."""

    def __init__(self, universe: Universe, left_out: Callable[[str, str], bool]) -> None:
        self._universe = universe
        self._left_out = left_out
        self._order: dict[str, Record] = {}
        self._visiting: set[str] = set()

    def of(self, roots: Sequence[str]) -> tuple[Record, ...]:
        """Everything that ``roots`` need, and they, dependencies first. StepError: no such package."""
        wanted = []
        for name in dict.fromkeys(roots):
            bare, _, version = name.partition("=")
            found = self._universe.satisfying(Relation(bare, "=" if version else "", version))
            if not found:
                raise self._unknown(bare, version)
            wanted.append(found[0])
        for record in wanted:
            self._visit(record)
        return tuple(self._order.values())

    def _visit(self, record: Record) -> None:
        if record.name in self._visiting:
            return
        self._visiting.add(record.name)
        for group in parse_relations(record.depends):
            if not any(self._left_out(record.name, option.name) for option in group):
                self._visit(self._choose(record, group))
        self._order[record.name] = record

    def _choose(self, record: Record, group: list[Relation]) -> Record:
        candidates = [found for option in group for found in self._universe.satisfying(option)]
        if not candidates:
            raise StepError(
                f"package {record.name} {record.version} needs {' | '.join(map(str, group))}, which the archive lacks",
                hint="a mirror in the middle of an update looks like that: try again, or another one (AAC_DEBIAN_MIRROR)",
            )
        return next((c for c in candidates if c.name in self._visiting), candidates[0])

    def _unknown(self, name: str, version: str = "") -> StepError:
        there = self._universe.best(name)
        if version and there is not None:
            hint = f"write {name}={there.version}, or leave the version out"
            return StepError(f"package {name} has no version {version} in this Debian release; it has {there.version}", hint=hint)
        near = self._universe.near(name)
        known = "https://packages.debian.org lists what there is"
        hint = f"did you mean {' or '.join(near)}?" if near else known
        return StepError(f"package {name!r} is not in this Debian release's main archive", hint=hint)
