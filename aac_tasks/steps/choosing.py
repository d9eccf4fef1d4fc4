"""Which runner is taken: the first that works here, or the one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from aac_tasks.catalog import Table
from aac_tasks.contracts.actions import RunnerChoice
from aac_tasks.contracts.running import Probe, Runner
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

PATIENCE = 5.0
"""Seconds in which the runner that was taken last time is asked again: a busy machine is no reason to run tests anew."""

NOT_ALLOWED = "host: no isolation; allowed by --allow-host or [tool.aac] allow-host = true"


@dataclass(frozen=True)
class Wish:
    """``name`` "" takes the first that works; ``last`` is the one that was taken last time here, "" when none was."""

    name: str = ""
    last: str = ""
    allow_host: bool = False


def choose_runner(table: Table[Runner], wish: Wish, tools: Tools) -> RunnerChoice:
    """Try them in their order; what was taken last time gets more than one chance.

    Raises:
        StepError: none works; says why for each.
    """
    refusals: list[str] = []
    for runner in [table.get(wish.name)] if wish.name else list(table):
        if runner.name == "host" and not (wish.allow_host or wish.name):
            refusals.append(NOT_ALLOWED)
            continue
        probe = _probe(runner, runner.name == wish.last, tools)
        if probe.works:
            return _chosen(runner.name, probe, wish, refusals)
        refusals.append(f"{runner.name}: {probe.reason}")
    raise StepError(
        "no runner works here: " + "; ".join(refusals),
        hint="install docker, podman, crun or runc, or say --allow-host",
    )


def _probe(runner: Runner, patient: bool, tools: Tools) -> Probe:
    probe = runner.probe(tools)
    end = tools.now() + PATIENCE
    while patient and not probe.works and tools.now() < end:
        tools.sleep(0.2)
        probe = runner.probe(tools)
    return probe


def _chosen(name: str, probe: Probe, wish: Wish, refusals: list[str]) -> RunnerChoice:
    why = "as asked" if wish.name else "the first that works here"
    why += f" (not {'; '.join(refusals)})" if refusals else ""
    if wish.last not in ("", name) and not wish.name:
        why += f"; last time it was {wish.last}, so tests run again"
    return RunnerChoice(name, probe.isolation, probe.version, why)
