"""What a run would do: which steps, in which order, how long each took last time, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aac_tasks.contracts.plan import STEP_KINDS, Plan, Step

if TYPE_CHECKING:
    from aac_tasks.session import Session

FAR = frozenset(STEP_KINDS[STEP_KINDS.index("push") :])
"""Kinds that are not run by default, and that only a registry or a target can judge."""


@dataclass(frozen=True)
class Planned:
    """One step. ``status``: ``fresh``, ``runs``, ``ignored``, or ``asked`` of what runs only when it is asked for.

    ``seconds`` is what it took when it was last done here; None when that is not on record.
    """

    step: str
    status: str
    reason: str
    seconds: float | None = None


@dataclass(frozen=True)
class Schedule:
    """Steps in the order of a run with one job. ``seconds`` is what those that run took last time, one after the other;
    ``unknown`` says how many of them have never run here.
    """

    steps: tuple[Planned, ...]
    seconds: float
    unknown: int


def schedule(session: Session, plan: Plan) -> Schedule:
    """Judge every step as a run would; nothing is asked of a registry or a target."""
    found: dict[str, Planned] = {}
    ignored = session.ignored(plan)
    for step in plan.steps:
        found[step.id] = _planned(session, step, found, ignored.get(step.id, ""))
    running = [one for one in found.values() if one.status == "runs"]
    known = [one.seconds for one in running if one.seconds is not None]
    return Schedule(tuple(found.values()), sum(known), len(running) - len(known))


def _planned(session: Session, step: Step, found: Mapping[str, Planned], ignored: str) -> Planned:
    last = session.last(step.agent, step.kind)
    seconds = (last.seconds or None) if last is not None and last.key else None  # 0: it always came from the cache
    if ignored:
        return Planned(step.id, "ignored", ignored, seconds)
    if step.kind in FAR:
        return Planned(step.id, "asked", "", seconds)
    before = [need for need in session.uses(step) if need in found and found[need].status == "runs"]
    verdict = session.judge(step.id)
    if before and verdict.fresh:
        return Planned(step.id, "runs", f"after {', '.join(before)}", seconds)
    return Planned(step.id, "fresh" if verdict.fresh else "runs", verdict.reason, seconds)
