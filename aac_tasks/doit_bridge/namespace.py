"""What a dodo.py imports, and what doit's loader takes: configuration and tasks, made when doit asks for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aac_tasks.doit_bridge.backend import DB_NAME, StampDB
from aac_tasks.doit_bridge.reporter import BridgeReporter
from aac_tasks.fast import unchanged
from aac_tasks.reporter import Reporter, make
from aac_tasks.state.root import FOLDER, find_root
from aac_tasks.steps.interrupts import KEPT, install, raise_exit

if TYPE_CHECKING:
    from aac_tasks.session import Session

__all__ = ["DOIT_CONFIG", "task_agents"]

PLAIN = ["doit"]
"""The name of plain `doit` among command lines."""


@cache
def _reporter() -> Reporter:
    return make("auto", out=sys.stdout, err=sys.stderr, environment=os.environ)


@cache
def _session() -> Session:
    from aac_tasks.doit_bridge.stamps import SessionStamps
    from aac_tasks.session import Options, Session, with_environment

    options = with_environment(Options(cwd=Path.cwd(), profile=os.environ.get("AAC_PROFILE", "")), os.environ)
    session = Session(options, _reporter())
    StampDB.stamps = SessionStamps(session)
    return session


class DoitReporter(BridgeReporter):
    """Made by `doit run`; says nothing before, so that `doit list` stays doit's own."""

    def __init__(self, outstream: Any, options: Any) -> None:
        StampDB.running = True
        super().__init__(_reporter(), self._end)
        if _known() is None:
            session = _session()
            install(session.cancelled.set, session.kill, raise_exit)  # until the process ends: that is doit's own end too

    def _end(self) -> None:
        _finish()
        if self.exit_code:
            raise SystemExit(self.exit_code)


def _finish() -> None:
    """The end of `doit run`: what is known is saved, and the next plain `doit` may be answered by stats.

    doit knows 1 for a failed task and 2 for whatever else went wrong; ours are told apart by leaving here.
    """
    session = _session() if _known() is None else None
    if session is not None and session.cancelled.is_set():
        session.close()
        _reporter().close(abandoned=True)
        sys.stderr.write(f"error: interrupted; {KEPT}\n")
        return
    if session is not None and session.broken:
        session.close()
        raise SystemExit(_tell_broken(session))
    _reporter().close()
    if session is not None:
        session.close()
        if sys.argv[1:] == []:
            from aac_tasks.conclude import conclude

            conclude(session, PLAIN)


def _tell_broken(session: Session) -> int:
    """The exit code of what ended a step and was no StepError; a bug is told here, the rest was told by its step."""
    from aac_tasks.errors import AacError
    from aac_tasks.reporter.bugs import EXIT, keep_bug  # lazy: only when there is one

    bugs = [error for error in session.broken if not isinstance(error, AacError)]
    _reporter().close(EXIT)
    for error in bugs:
        sys.stderr.write(f"error: {keep_bug(session.root, error).text}\n")
    return EXIT if bugs else max(e.exit_code for e in session.broken if isinstance(e, AacError))


@cache
def _known() -> tuple[str, ...] | None:
    """Ids of all steps when plain `doit` was asked and nothing changed since it last succeeded."""
    found = unchanged(PLAIN) if sys.argv[1:] == [] else None
    return tuple(found[1].split("\x1e")) if found else None


def task_agents() -> Iterator[dict[str, Any]]:
    """Every step of every agent."""
    known = _known()
    if known is not None:
        for step in known:
            kind, _, agent = step.partition(":")
            yield {"basename": kind, "name": agent, "actions": None, "uptodate": [True]}
        return
    from doit.exceptions import InvalidDodoFile

    from aac_tasks.doit_bridge.tasks import tasks_of, translated

    yield from translated(lambda: tasks_of(_session(), _session().plan()), InvalidDodoFile)


DOIT_CONFIG = {
    "default_tasks": ["test"],
    "reporter": DoitReporter,
    "backend": "aac",
    "dep_file": str(find_root(Path.cwd()) / FOLDER / DB_NAME),
    "par_type": "thread",
    "verbosity": 2,
}
