"""What a project's dodo.py imports: ``from aac_tasks.dodo import *``. The user's own tasks may follow.

Brings ``DOIT_CONFIG`` (default tasks, reporter, state backend, threads) and the steps of every agent in this folder
and below, as groups ``parse lock dockerfile image test push deploy`` with members ``<step>:<agent>``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidDodoFile

from aac_tasks.doit_bridge.backend import StampDB
from aac_tasks.doit_bridge.command import DB_NAME
from aac_tasks.doit_bridge.reporter import BridgeReporter
from aac_tasks.doit_bridge.stamps import SessionStamps
from aac_tasks.doit_bridge.tasks import tasks_of, translated
from aac_tasks.reporter import Reporter, make
from aac_tasks.session import Options, Session, with_environment
from aac_tasks.state.root import FOLDER, find_root

__all__ = ["DOIT_CONFIG", "task_agents"]


@cache
def _reporter() -> Reporter:
    return make("auto", out=sys.stdout, err=sys.stderr, environment=os.environ)


@cache
def _session() -> Session:
    options = with_environment(Options(cwd=Path.cwd(), profile=os.environ.get("AAC_PROFILE", "")), os.environ)
    session = Session(options, _reporter())
    StampDB.stamps = SessionStamps(session)
    return session


class DoitReporter(BridgeReporter):
    """Made by `doit run`; says nothing before, so that `doit list` stays doit's own."""

    def __init__(self, outstream: Any, options: Any) -> None:
        StampDB.running = True
        super().__init__(_session(), _reporter(), _reporter().close)


def task_agents() -> Iterator[dict[str, Any]]:
    """Every step of every agent."""
    yield from translated(lambda: tasks_of(_session(), _session().plan()), InvalidDodoFile)


DOIT_CONFIG = {
    "default_tasks": ["test"],
    "reporter": DoitReporter,
    "backend": "aac",
    "dep_file": str(find_root(Path.cwd()) / FOLDER / DB_NAME),
    "par_type": "thread",
    "verbosity": 2,
}
