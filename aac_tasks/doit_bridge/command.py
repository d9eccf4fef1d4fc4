"""Run a selection of steps from the `agent` command: the same tasks, control and runner as `doit`, without its start-up."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from doit.control import TaskControl
from doit.dependency import Dependency
from doit.loader import generate_tasks
from doit.runner import MThreadRunner, Runner
from doit.task import Stream

from aac_tasks.contracts.plan import Plan
from aac_tasks.contracts.result import Event
from aac_tasks.doit_bridge.backend import DB_NAME, StampDB
from aac_tasks.doit_bridge.reporter import BridgeReporter
from aac_tasks.doit_bridge.stamps import SessionStamps
from aac_tasks.doit_bridge.tasks import tasks_of
from aac_tasks.errors import UsageError
from aac_tasks.session import Session


def run_selection(
    session: Session,
    selection: Sequence[str],
    *,
    jobs: int = 1,
    keep_going: bool = False,
    dry_run: bool = False,
) -> int:
    """Run step kinds, ids or wildcards (``image``, ``image:hello``, ``image:*``); 0, or 1 when a step failed.

    Raises:
        UsageError: a selection names nothing.
    """
    plan = session.plan()
    chosen = _chosen(plan, selection)
    if dry_run:
        return _dry_run(session, plan, chosen)
    StampDB.stamps = SessionStamps(session)
    StampDB.running = True
    tasks = generate_tasks("agents", tasks_of(session, plan))
    control = TaskControl(tasks)
    control.process(list(chosen))
    manager = Dependency(StampDB, str(session.state.path / DB_NAME))
    reporter = BridgeReporter(session.tell, session.close)
    common = (manager, reporter, keep_going, False, Stream(2))
    runner = MThreadRunner(*common, jobs) if jobs > 1 else Runner(*common)
    return int(runner.run_all(control.task_dispatcher()))


def _chosen(plan: Plan, selection: Sequence[str]) -> tuple[str, ...]:
    kinds = {s.kind for s in plan.steps}
    ids = [s.id for s in plan.steps]
    chosen: dict[str, None] = {}
    for word in selection:
        found = [word] if word in kinds or word in ids else fnmatch.filter(ids, word)
        if not found:
            raise UsageError(f"{word!r} matches no step; there are {', '.join(sorted(kinds))}, each also as STEP:AGENT")
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)


def _dry_run(session: Session, plan: Plan, chosen: tuple[str, ...]) -> int:
    """Say what would run. What depends on a step that would run is said to depend on it."""
    stale: set[str] = set()
    for step in _needed(plan, chosen):
        verdict = session.judge(step)
        after = sorted(stale.intersection(plan.step(step).needs))
        if verdict.fresh and not after:
            session.tell(Event("note", step, f"up to date: {verdict.reason}"))
        else:
            stale.add(step)
            why = verdict.reason if not verdict.fresh else f"after {', '.join(after)}"
            session.tell(Event("note", step, f"would run: {why}"))
    session.close()
    return 0


def _needed(plan: Plan, chosen: tuple[str, ...]) -> list[str]:
    order = {s.id: s for s in plan.steps}
    wanted = {i for i, s in order.items() if i in chosen or s.kind in chosen}
    todo = list(wanted)
    while todo:
        for need in order[todo.pop()].needs:
            if need not in wanted:
                wanted.add(need)
                todo.append(need)
    return [i for i in order if i in wanted]
