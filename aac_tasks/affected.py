"""Which agents a set of changed files concerns."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from aac_tasks.contracts.plan import AgentPlan
from aac_tasks.contracts.result import Event
from aac_tasks.plan.affected import holds_any
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


def affected_since(session: Session, ref: str, names: tuple[str, ...] = (), *, itself: bool = False) -> tuple[str, ...]:
    """Names of the agents, among ``names`` or all, that differ from what they were at ``ref`` (see `changed_since`), or need one
    that does. This run is about no others from here.

    Raises:
        SpecError, PlanError: as without a commit, whatever changed. UsageError: git can't tell.
    """
    tools = session.hands.tools("", "-")
    commit, changed = changed_since(ref, session.root, tools, itself=itself)
    path = session.root / SETTINGS
    now = path.read_text(encoding="utf-8") if SETTINGS in changed and path.is_file() else ""
    every = SETTINGS in changed and table_of(now) != table_of(at_commit(commit, SETTINGS, session.root, tools))
    plan = session.plan(names)
    reading = [agent.agent for agent in plan.agents if every or _concerns(session, agent, changed)]
    concerned = dependents(reading, {agent.agent: agent.others for agent in plan.agents})
    found = tuple(agent for agent in plan.asked if agent.agent in concerned)
    session.narrow_to(found)
    return tuple(agent.agent for agent in found)


def _concerns(session: Session, plan: AgentPlan, changed: Set[str]) -> bool:
    """Whether one of the files goes into a step of the agent, or into its plan."""
    read = session.workspace.seen.get(plan.agent, {})
    if any(str(session.root / path) in read for path in changed):
        return True
    return any(holds_any(step.tree, changed, lambda patterns: IgnoreRules(patterns).ignores) for step in plan.steps if step.tree)
