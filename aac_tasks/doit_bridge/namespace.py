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
from aac_tasks.fast import UNKNOWN, unchanged
from aac_tasks.reporter import Reporter, make
from aac_tasks.state.root import FOLDER, find_root

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
        super().__init__(_reporter(), _finish)


def _finish() -> None:
    """The end of `doit run`: what is known is saved, and the next plain `doit` may be answered by stats."""
    _reporter().close()
    if _known() is None or _session.cache_info().currsize:
        session = _session()
        session.close()
        if sys.argv[1:] == []:
            from aac_tasks.conclude import conclude

            conclude(session, PLAIN)


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
            kind, _, agent = step.removeprefix(UNKNOWN).partition(":")
            vouched = not step.startswith(UNKNOWN)
            yield {"basename": kind, "name": agent, **({"actions": None, "uptodate": [True]} if vouched else _late(step[1:]))}
        return
    from doit.exceptions import InvalidDodoFile

    from aac_tasks.doit_bridge.tasks import tasks_of, translated

    yield from translated(lambda: tasks_of(_session(), _session().plan()), InvalidDodoFile)


def _late(step_id: str) -> dict[str, Any]:
    """A step that the last run did not judge. It is selected when the default tasks were changed meanwhile."""

    def run() -> Any:
        from aac_tasks.doit_bridge.tasks import LateAction  # lazy: most runs that stats can answer select none

        return LateAction(_session(), step_id)()

    return {"actions": [run], "meta": {"agent": step_id.partition(":")[2]}, "io": {"capture": False}, "verbosity": 2}


DOIT_CONFIG = {
    "default_tasks": ["test"],
    "reporter": DoitReporter,
    "backend": "aac",
    "dep_file": str(find_root(Path.cwd()) / FOLDER / DB_NAME),
    "par_type": "thread",
    "verbosity": 2,
}
