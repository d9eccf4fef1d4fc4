"""Which agents a set of changed files concerns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Set
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.plan import AgentPlan
from aac_tasks.contracts.result import Event
from aac_tasks.plan.affected import below, holds_any
from aac_tasks.plan.needing import dependents
from aac_tasks.settings import table_of
from aac_tasks.state.ignore import IgnoreRules
from aac_tasks.steps.revisions import at_commit, changed_since, has_commit

if TYPE_CHECKING:
    from aac_tasks.session import Session

SETTINGS = "pyproject.toml"

NONE = frozenset("0")
"""A commit's name that is all zeros means "there was none before" to CI services."""


def affected_by_push(session: Session, before: str) -> tuple[str, ...]:
    """As `affected_since`, but of that very commit; every agent where there was none, or where this clone does not know it.

    Raises:
        UsageError: git can't tell.
    """
    if before and set(before) != NONE:
        if has_commit(before, session.root, session.hands.tools("", "-")):
            return affected_since(session, before, itself=True)
        session.tell(Event("note", text=f"commit {before} is not in this clone, so every agent counts as changed"))
    return tuple(plan.agent for plan in session.plan().asked)


def affected_since(session: Session, ref: str, *, itself: bool = False) -> tuple[str, ...]:
    """Names of the agents that differ from what they were at ``ref`` (see `changed_since`). The others are not planned in
    this run.

    Raises:
        UsageError: git can't tell.
    """
    tools = session.hands.tools("", "-")
    commit, changed = changed_since(ref, session.root, tools, itself=itself)
    path = session.root / SETTINGS
    now = path.read_text(encoding="utf-8") if SETTINGS in changed and path.is_file() else ""
    every = SETTINGS in changed and table_of(now) != table_of(at_commit(commit, SETTINGS, session.root, tools))
    plans = [session.workspace.agent(f) for f in _candidates(session, changed, every)]
    concerned = {plan.agent: plan for plan in plans if every or _concerns(session, plan, changed)}
    places = session.workspace.index.places
    needs = {**{name: place.others for name, place in places.items()}, **{plan.agent: plan.others for plan in plans}}
    for name in sorted(dependents(concerned, needs) - concerned.keys()):
        concerned[name] = session.workspace.agent(session.root / places[name].folder)
    session.narrow_to(tuple(concerned.values()))
    return tuple(concerned)


def _candidates(session: Session, changed: Set[str], every: bool) -> Iterable[Path]:
    """Folders of agents that may be concerned; one that no run over all has seen may be."""
    places = {place.folder: place for place in session.workspace.index.places.values()}
    for folder in session.workspace.folders():
        name = os.path.relpath(folder, session.root)
        place = places.get("" if name == "." else name)
        tops = (place.folder, *place.roots) if place else ()
        if every or place is None or any(below(top, file) is not None for top in tops for file in changed):
            yield folder


def _concerns(session: Session, plan: AgentPlan, changed: Set[str]) -> bool:
    """Whether one of the files goes into a step of the agent, or into its plan."""
    read = session.workspace.seen.get(plan.agent, {})
    if any(str(session.root / path) in read for path in changed):
        return True
    return any(holds_any(step.tree, changed, lambda patterns: IgnoreRules(patterns).ignores) for step in plan.steps if step.tree)
