"""Steps one after the other, in the plan's own order: what `agent` does when there is nothing to schedule.

With one job, nothing ignored and the first failure being the end, doit would visit the same steps in the same order;
importing it would take a third of the time between an edited line and a new image digest. Everything else (several jobs,
--keep-going, `doit ignore`, plain `doit`, the user's own tasks) is doit's. A test holds the two to the same events.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from aac_tasks.contracts.plan import PENDING_LOCK, Plan
from aac_tasks.contracts.result import Event
from aac_tasks.errors import StepError, UsageError
from aac_tasks.session import Session


def run_in_turn(session: Session, plan: Plan, chosen: Sequence[str]) -> int:
    """Judge and do every step that is needed; 1 at the first failure."""
    try:
        for step in needed(plan, chosen):
            verdict = session.judge(step)
            if verdict.fresh:
                session.tell(Event("fresh", step, verdict.reason))
            else:
                session.run_step(step)
    except StepError as error:
        if session.cancelled.is_set():  # no failure of the step: the door says what happened
            return 1
        from aac_tasks.failing import failure  # lazy: only after one

        session.tell(failure(session, step, error))
        return 1
    finally:
        session.close()
    return 0


def choose(plan: Plan, selection: Sequence[str]) -> tuple[str, ...]:
    """Kinds and ids that the words stand for.

    Raises:
        UsageError: a word stands for nothing.
    """
    kinds = {s.kind for s in plan.steps}
    ids = [s.id for s in plan.steps]
    chosen: dict[str, None] = {}
    for word in selection:
        if word in kinds:
            found = [s.id for a in plan.asked for s in a.steps if s.kind == word] if plan.needed else [word]
        else:
            found = [word] if word in ids else fnmatch.filter(ids, word)
        if not found:
            raise UsageError(f"{word!r} matches no step; there are {', '.join(sorted(kinds))}, each also as STEP:AGENT")
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)


def refuse_hopeless(plan: Plan, chosen: Sequence[str]) -> None:
    """Before anything is resolved or downloaded: what agent.yaml stands in the way of will fail for certain.

    Raises:
        UsageError: every such problem, once.
    """
    wanted = set(needed(plan, chosen))
    found = [s.pending for s in plan.steps if s.id in wanted and s.pending not in ("", PENDING_LOCK)]
    if found:
        raise UsageError("\n".join(dict.fromkeys(found)))


def dry_run(session: Session, plan: Plan, chosen: tuple[str, ...]) -> int:
    """Say what would run. What depends on a step that would run is said to depend on it."""
    stale: set[str] = set()
    ignored = session.ignored(plan)
    for step in needed(plan, chosen):
        if step in ignored:
            session.tell(Event("plan", step, ignored[step], data={"status": "ignored"}))
            continue
        verdict = session.judge(step)
        after = sorted(stale.intersection(plan.step(step).needs))
        if verdict.fresh and not after:
            session.tell(Event("plan", step, f"up to date: {verdict.reason}", data={"status": "fresh"}))
        else:
            stale.add(step)
            why = verdict.reason if not verdict.fresh else f"after {', '.join(after)}"
            session.tell(Event("plan", step, f"would run: {why}", data={"status": "stale"}))
    session.close()
    return 0


def needed(plan: Plan, chosen: Sequence[str]) -> list[str]:
    """Ids of the chosen steps and of all that they need, each after what it needs."""
    steps = {s.id: s for s in plan.steps}
    entered: set[str] = set()
    left: list[str] = []

    def visit(step: str) -> None:
        if step not in entered:
            entered.add(step)
            for need in steps[step].needs:
                visit(need)
            left.append(step)

    for step in plan.steps:
        if step.id in chosen or step.kind in chosen:
            visit(step.id)
    return left
