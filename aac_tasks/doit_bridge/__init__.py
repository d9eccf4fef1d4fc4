"""Plan → doit tasks, and back. The only place that imports doit (0.36 … 0.38); doit schedules, the session decides."""

from __future__ import annotations

from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aac_tasks.contracts.plan import Plan
    from aac_tasks.session import Session


def run(session: Session, selection: Sequence[str], *, jobs: int = 1, keep_going: bool = False, dry_run: bool = False) -> int:
    """Run step kinds, ids or wildcards (``image``, ``image:hello``, ``image:*``); 0, or 1 when a step failed;
    with ``keep_going`` 3 when agent.yaml stood in the way of one.

    Raises:
        PluginError: there is no such builder or runner.
        UsageError: a selection names nothing, or agent.yaml stands in the way of a step (unless ``keep_going``).
    """
    plan = session.plan()
    for table, name in ((session.catalog.builders, session.options.builder), (session.catalog.runners, session.options.runner)):
        if name:
            table.get(name)  # before anything is done: a name that nobody has will be wrong for every agent
    code = 0
    if session.missed:
        from aac_tasks.failing import tell_missed  # lazy: only after a failure

        code = tell_missed(session)
    if plan.agents and selection:
        code = max(code, _run(session, plan, selection, jobs=jobs, keep_going=keep_going, dry_run=dry_run))
    if code == 0:
        session.tell_untouched()
    return code


def _run(session: Session, plan: Plan, selection: Sequence[str], *, jobs: int, keep_going: bool, dry_run: bool) -> int:
    from aac_tasks.doit_bridge import in_turn  # lazy: doit loads this package for its state backend alone

    chosen = in_turn.choose(plan, selection)
    if not keep_going:
        in_turn.refuse_hopeless(plan, chosen)
    if dry_run:
        return in_turn.dry_run(session, plan, chosen)
    if jobs == 1 and not keep_going and not session.ignored(plan):
        return in_turn.run_in_turn(session, plan, chosen)
    from aac_tasks.doit_bridge.command import run_scheduled  # lazy: imports doit

    return run_scheduled(session, plan, chosen, jobs=jobs, keep_going=keep_going)
