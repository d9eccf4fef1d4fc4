"""What a dodo.py imports, and what doit's loader takes: configuration and tasks, made when doit asks for them.

A plain `doit` that finds nothing to do imports `fast`, this module and its two neighbours, and no more of ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache

from aac_tasks.fast import FOLDER, UNKNOWN, Look, look_at

TYPE_CHECKING = False  # typing alone would be a tenth of what such a run may take
if TYPE_CHECKING:
    from typing import Any

    from aac_tasks.doit_bridge.reporter import BridgeReporter
    from aac_tasks.reporter import Reporter
    from aac_tasks.session import Session

__all__ = ["DOIT_CONFIG", "task_agents"]

PLAIN = ["doit"]
"""The name of plain `doit` among command lines."""


@cache
def _reporter() -> Reporter:
    from aac_tasks.reporter import make

    return make("auto", out=sys.stdout, err=sys.stderr, environment=os.environ)


@cache
def _session() -> Session:
    from pathlib import Path

    from aac_tasks.doit_bridge.backend import StampDB
    from aac_tasks.doit_bridge.ending import heed_signals
    from aac_tasks.doit_bridge.stamps import SessionStamps
    from aac_tasks.session import Options, Session, with_environment

    options = with_environment(Options(cwd=Path.cwd(), profile=os.environ.get("AAC_PROFILE", "")), os.environ)
    session = Session(options, _reporter())
    if sys.argv[1:] == []:
        session.leave_untouched(PLAIN)
    StampDB.stamps = SessionStamps(session)
    heed_signals(session)
    return session


class DoitReporter:
    """Called by `doit run`, which wants a class; says nothing before, so that `doit list` stays doit's own."""

    def __new__(cls, outstream: Any, options: Any) -> Any:
        """The reporter that this run needs."""
        from aac_tasks.doit_bridge.backend import StampDB

        StampDB.running = True
        if (look := _unchanged()) is None:
            return _full_reporter()
        from aac_tasks.doit_bridge.unchanged import UnchangedReporter

        steps = [step for step in look.steps.split("\x1e") if not step.startswith(UNKNOWN)]
        groups = (step.partition(":")[0] for step in steps)
        StampDB.settled = frozenset([*steps, *groups])
        return UnchangedReporter(look.said, StampDB.settled, _full_reporter)


def _full_reporter() -> BridgeReporter:
    from aac_tasks.doit_bridge.reporter import BridgeReporter

    return BridgeReporter(_reporter(), _finish)


def _finish() -> None:
    """The end of `doit run`: what is known is saved, and the next plain `doit` may be answered by stats."""
    session = _session() if _unchanged() is None or _session.cache_info().currsize else None
    if session is not None:
        session.close()
        if session.cancelled.is_set() or session.broken:
            from aac_tasks.doit_bridge.ending import end_badly

            end_badly(session, _reporter())
            return
    _reporter().close()
    if session is not None and sys.argv[1:] == []:
        from aac_tasks.conclude import conclude

        conclude(session, PLAIN)


@cache
def _unchanged() -> Look | None:
    """What is known when plain `doit` was asked and nothing changed since it last succeeded."""
    look = look_at(PLAIN) if sys.argv[1:] == [] else None
    return look if look is not None and look.is_unchanged else None


def task_agents() -> Iterator[dict[str, Any]]:
    """Every step of every agent."""
    look = _unchanged()
    if look is not None:
        yield from _left_alone(look.steps.split("\x1e"))
        return
    from doit.exceptions import InvalidDodoFile

    from aac_tasks.doit_bridge.tasks import tasks_of, translated

    yield from translated(lambda: tasks_of(_session(), _session().plan()), InvalidDodoFile)
    untouched = _session().untouched
    for agent in untouched.agents if untouched else ():
        yield from _left_alone(agent.steps)


def _left_alone(steps: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Steps that stats vouch for, as tasks that have nothing to do."""
    for step in steps:
        kind, _, agent = step.removeprefix(UNKNOWN).partition(":")
        how = _late(step[1:]) if step.startswith(UNKNOWN) else {"actions": None, "uptodate": [True]}
        yield {"basename": kind, "name": agent, **how}


# doit sorts task creators by their line and asks `inspect` for it, which tokenizes the function to find its end (7 ms, a
# twelfth of a run without work). For a module it answers "line 0" at once; `inspect.unwrap` gets it there.
task_agents.__dict__["__wrapped__"] = sys.modules[__name__]


def _late(step_id: str) -> dict[str, Any]:
    """A step that the last run did not judge. It is selected when the default tasks were changed meanwhile."""

    def run() -> Any:
        from aac_tasks.doit_bridge.tasks import LateAction  # lazy: most runs that stats can answer select none

        return LateAction(_session(), step_id)()

    return {"actions": [run], "meta": {"agent": step_id.partition(":")[2]}, "io": {"capture": False}, "verbosity": 2}


def _state_folder() -> str:
    look = _unchanged()
    if look is not None:
        return look.folder
    from pathlib import Path

    from aac_tasks.state.root import find_root

    return str(find_root(Path.cwd()) / FOLDER)


DOIT_CONFIG = {
    "default_tasks": ["test"],
    "reporter": DoitReporter,
    "backend": "aac",
    "dep_file": f"{_state_folder()}/doit.json",
    "par_type": "thread",
    "verbosity": 2,
}
