"""Which agent is in which folder: lets a run that names its agents leave all others unread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aac_tasks.contracts.plan import AgentPlan
from aac_tasks.errors import StepError
from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import read_sealed, seal


@dataclass(frozen=True)
class Place:
    """An agent's folder, and the folders that its steps read, all relative to the state root ("" is the root); the agents that
    it needs.
    """

    folder: str
    roots: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class Index:
    """Agents by name as runs over all of them last saw them; each is to be looked for where it is said to be."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def places(self) -> dict[str, Place]:
        """Nothing when there was no such run, or the file is torn."""
        try:
            value = read_sealed(self._path)
        except (OSError, ValueError):
            return {}
        rows = value if isinstance(value, dict) else {}
        return {name: Place(folder, tuple(roots), tuple(*others)) for name, (folder, roots, *others) in rows.items()}

    def keep(self, plans: Iterable[AgentPlan]) -> None:
        """Remember these. Those that were left out of a plan, or lie below another folder, stay where they were."""
        found = {p.agent: Place(p.folder, tuple(sorted({s.tree.root for s in p.steps if s.tree})), p.others) for p in plans}
        there = {place.folder for place in found.values()}
        kept = {name: place for name, place in self.places.items() if place.folder not in there}
        places = {**kept, **found}
        if places != self.places:
            with contextlib.suppress(OSError, StepError):  # what can't be kept is looked for again; steps tell of the disk
                self._path.parent.mkdir(parents=True, exist_ok=True)
                rows = {name: [p.folder, list(p.roots), *([list(p.others)] if p.others else [])] for name, p in places.items()}
                write_atomically(self._path, seal(rows))
            self.__dict__["places"] = places
