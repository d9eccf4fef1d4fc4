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
"""Without words doit runs its default tasks."""

OF_STEPS = ("info", "forget", "clean", "ignore", "list", "reset-dep")
"""doit's other commands that take steps."""


def _words() -> list[str] | None:
    """This command line among those that have manifests: plain `doit`, or steps of agents by their full names; else None."""
    asked = sys.argv[2:] if sys.argv[1:2] == ["run"] else sys.argv[1:]
    return ["doit", *asked] if _are_steps(asked) else None


def _are_steps(words: list[str]) -> bool:
    return all(":" in word and word[0] != "-" and not set(word) & set("*?[=/") for word in words)


def _named() -> list[str]:
    """Agents whose steps this command line names, of `doit run` or of what does something else with steps; none: perhaps all."""
    words = sys.argv[2:] if sys.argv[1:2] and sys.argv[1] in ("run", *OF_STEPS) else sys.argv[1:]
    return [word.partition(":")[2] for word in words] if _are_steps(words) and not _own_tasks() else []


def _own_tasks() -> bool:
    """Whether a dodo.py has tasks beside ours: they may need any step."""
    return any(
        (name.startswith("task_") and value is not task_agents) or hasattr(value, "create_doit_tasks")
        for names in _dodos()
        for name, value in names.items()
    )


def _dodos() -> list[dict[str, Any]]:
    """What is in the dodo.py; nothing where there is none."""
    return [vars(m) for n, m in list(sys.modules.items()) if m and not n.startswith("aac_tasks") and _has_ours(m)]


def _has_ours(module: Any) -> bool:
    return getattr(module, "__dict__", {}).get("task_agents") is task_agents


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
    if _words() == PLAIN:
        session.leave_untouched(PLAIN)
    elif names := _named():
        session.narrow(names)
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

        judged = {group: names for group, names in _groups(look).items() if group[0] != UNKNOWN}
        StampDB.settled = frozenset([*judged, *(() if _are_groups_enough() else _steps(judged))])
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
    words = _words()
    if session is not None and words and (words == PLAIN or not _own_tasks()):
        from aac_tasks.conclude import conclude

        conclude(session, words)


@cache
def _looked() -> Look | None:
    """What is known when nothing changed since the same was asked and succeeded."""
    words = _words()
    look = look_at(words) if words else None
    return look if look is not None and look.is_unchanged else None


def _unchanged() -> Look | None:
    """The same, if it will do: named steps were planned without all others, which tasks of the dodo.py may need."""
    return None if _words() != PLAIN and _own_tasks() else _looked()


def task_agents() -> Iterator[dict[str, Any]]:
    """Every step of every agent."""
    look = _unchanged()
    if look is not None:
        groups = _groups(look)
        yield from _as_groups(groups) if _are_groups_enough() else _left_alone(_steps(groups))
        return
    from doit.exceptions import InvalidDodoFile

    from aac_tasks.doit_bridge.tasks import tasks_of, translated

    yield from translated(lambda: tasks_of(_session(), _session().plan()), InvalidDodoFile)
    untouched = _session().untouched
    for agent in untouched.agents if untouched else ():
        yield from _left_alone(agent.steps)


def _groups(look: Look) -> dict[str, str]:
    """Groups of steps, each with the names of its agents. Steps that were not judged are in groups of their own."""
    return {group: names for group, _, names in (line.partition("\x1f") for line in look.steps.split("\x1e")) if group}


def _steps(groups: dict[str, str]) -> Iterator[str]:
    return (f"{group}:{name}" for group, names in groups.items() for name in names.split("\x1f"))


def _default_tasks() -> list[str]:
    """The words that a plain `doit` stands for; none: all."""
    config: dict[str, Any] = next((names["DOIT_CONFIG"] for names in _dodos() if "DOIT_CONFIG" in names), DOIT_CONFIG)
    return list(config.get("default_tasks") or ())


def _are_groups_enough() -> bool:
    """Whether nobody can ask for a single step: doit would take longer over thousands of tasks than the stats took."""
    asked = _default_tasks()
    return bool(asked) and _words() == PLAIN and not _own_tasks() and not any(":" in task or "*" in task for task in asked)


def _as_groups(groups: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A task a group, but those of which a step is still to be judged."""
    late = {UNKNOWN + task for task in _default_tasks()} & groups.keys()
    yield from _left_alone(_steps({group: groups[group] for group in late}))
    for group in {group.removeprefix(UNKNOWN) for group in groups.keys() - late}:
        if UNKNOWN + group not in late:
            yield {"basename": group, "actions": None, "uptodate": [True]}


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
    look = _looked()
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
