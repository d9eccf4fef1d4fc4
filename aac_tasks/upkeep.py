"""What `doit forget`, `doit reset-dep` and `doit clean` do to steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aac_tasks.session import Session


def forget(session: Session, step_id: str) -> None:
    """Have the next run do a step again, whatever is remembered of it."""
    step = session.step(step_id)
    stamps = session.judging.stamps(step)
    stamp = stamps.read()
    if stamp is not None and stamp.deep:
        session.actions.delete(stamp.deep)
    if step.pure:
        stamps.forget()
    else:  # what it started still runs
        stamps.put_aside()


def accept(session: Session, step_id: str) -> None:
    """Take a step's last outputs as made from the present inputs (`doit reset-dep`); nothing without a stamp."""
    step = session.step(step_id)
    stamp = session.judging.stamps(step).read()
    if stamp is not None and step.kind != "lock":
        session.keep(session.judging.case(step), stamp.result, stamp.seconds)


def clean(session: Session, step_id: str, *, dry_run: bool = False) -> tuple[str, ...]:
    """Remove what a step left in this checkout: its files, its stamp, what it started. Says each thing in a line."""
    step = session.step(step_id)
    stamps = session.judging.stamps(step)
    stamp = stamps.last()
    if stamp is None:
        return ()
    files = tuple(session.root / a.name for a in stamp.result.artifacts if a.type == "file")
    lines = tuple(f"removing {a.name}" for a in stamp.result.artifacts if a.type == "file")
    if step.kind == "deploy":
        data = stamp.result.outputs.get("data")
        lines = (*lines, f"stopping {stamp.result.outputs.get('url') or step.agent}")
        if not dry_run:
            session.hands.remove_deployed(str(stamp.action["target"]), step.agent, data if isinstance(data, dict) else {})
    if not dry_run:
        for path in files:
            path.unlink(missing_ok=True)
        stamps.delete()
    return (*lines, "forgetting its last run")
