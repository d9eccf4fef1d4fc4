"""Many short steps on a Dask cluster of this machine: how much of the ideal is left, beside the same naps by Dask alone.

The steps are a plugin's, and pure sleep: what they take beyond that is ours, Dask's, and the machine's. Nothing of a shared cache
is in it, for naps have no sources and make no blobs.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import AGENT, ROOT, Lab
from benchmarks.measure import Place, Sample
from benchmarks.rows import PASS, Row

sys.path.append(str(ROOT / "tests"))  # the cluster that tests start

from real.dask_cluster import Cluster, cluster
from real.doors import installed

WORKERS, STEPS, AGENTS = 4, 100, 20
NAP = 0.01
"""Seconds."""
SHARE = 0.8
JOBS = 16 * WORKERS
"""So many steps are on their way: two bundles a worker."""
UNWATCHED = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
"""Else each worker looks at its own stack a hundred times a second, in our runs and in Dask's alone."""

PLUGIN = f'''\
import time

from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.result import Result
from aac_tasks.hookspecs import hookimpl


@hookimpl
def aac_add_steps(spec, plan):
    action = {{"round": spec.config["round"]}}
    return [Step(f"nap{{n:03d}}:{{plan.agent}}", f"nap{{n:03d}}", plan.agent, action) for n in range({STEPS})]


@hookimpl
def aac_run_step(step, upstream, tools):
    if step.kind.startswith("nap"):
        time.sleep({NAP})
        return Result(outputs=step.action)
'''

ALONE = f"""
import sys, time
from distributed import Client
def nap(n):
    time.sleep({NAP})
if __name__ == "__main__":
    client = Client(sys.argv[1])
    client.gather(client.map(nap, range(int(sys.argv[2])), pure=False))
"""

NOTHING = "`doit` of all naps, every agent.yaml edited and compiled again, nothing to do"
OURS = f"`doit -n {JOBS}` of all naps on the cluster, every agent.yaml edited, all of them to do"
CONNECT, PEER = "Dask alone: connect", "peer: Dask alone: connect, `client.map` and `gather` of as many naps"


@dataclass
class Naps:
    """A workspace of agents with naps, and a cluster."""

    place: Place
    lab: Lab
    made: Cluster
    rounds: Iterator[int]
    used: list[tuple[float, float, float, float]]
    """Seconds of each run: by the clock; of processors in doit, the scheduler, the workers."""
    round: int = 0

    @property
    def count(self) -> int:
        """How many steps."""
        return AGENTS * STEPS

    def edit(self, more: str) -> None:
        """Write every agent.yaml anew."""
        for number in range(AGENTS):
            folder = self.place.folder / f"a{number:02d}"
            folder.mkdir(exist_ok=True)
            (folder / "agent.yaml").write_text(AGENT.format(name=folder.name, dependencies="[]") + more)

    def unchanged(self) -> Sample:
        """All that a run does but naps: start, compile, judge."""
        self.edit(f"  config: {{round: {self.round}}}\n# {next(self.rounds)}\n")
        return self.place.timed(self.lab.command("doit"), "-n", str(JOBS), "nap*:*")

    def changed(self) -> Sample:
        """All of them on the cluster."""
        self.round = next(self.rounds)
        self.edit(f"  config: {{round: {self.round}}}\n")
        before = self.made.seconds()
        sample = self.place.timed(self.lab.command("doit"), "-n", str(JOBS), "nap*:*")
        scheduler, workers = (now - was for now, was in zip(self.made.seconds(), before, strict=True))
        self.used.append((sample.wall / 1000, sample.cpu / 1000, scheduler, workers))
        return sample

    def rows(self) -> list[Row]:
        """What is measured in turn."""
        script = self.place.folder / "alone.py"
        script.write_text(ALONE)
        alone = (self.lab.python, str(script), self.made.address.replace("dask", "tcp"))
        return [
            Row(OURS, self.changed),
            Row(NOTHING, self.unchanged),
            Row(PEER, lambda: self.place.timed(*alone, str(self.count))),
            Row(CONNECT, lambda: self.place.timed(*alone, "0")),
            Row(PASS, lambda: self.place.timed(self.lab.python, "-c", "pass")),
        ]

    def said(self, rows: list[Row]) -> tuple[list[str], bool]:
        """What follows from the rows, and whether the goal was met."""
        by_name = {row.name: row.series.median for row in rows}
        ideal = 1000 * NAP * self.count / WORKERS
        connecting = by_name[CONNECT] - by_name[PASS]
        ours, peer = by_name[OURS] - by_name[NOTHING] - connecting, by_name[PEER] - by_name[CONNECT]
        each, cpus = 1000 * NAP, os.cpu_count() or 1
        wall, *parts = (statistics.median(column) for column in zip(*self.used, strict=True))
        doit, scheduler, workers = (1000 * part / self.count for part in parts)
        busy = 100 * sum(parts) / (cpus * wall)
        lines = [
            f"* the ideal: {self.count} naps of {each:.0f} ms by {WORKERS} workers take {ideal:.0f} ms",
            f"* ours, without what connecting, and a run that compiles as much and has nothing to do, take: {ours:.0f} ms, "
            f"{100 * ideal / ours:.0f} % of the ideal (goal: {100 * SHARE:.0f} %); a worker spends "
            f"{ours * WORKERS / self.count - each:.2f} ms a step on anything else",
            f"* Dask alone, without connecting: {peer:.0f} ms, {100 * ideal / peer:.0f} % of the ideal",
            f"* processor time a step: doit {doit:.2f} ms, scheduler {scheduler:.2f} ms, workers {workers:.2f} ms; they share "
            f"{cpus} CPUs, which were busy with it for {busy:.0f} % of the time",
        ]
        return lines, ideal / ours >= SHARE


@contextlib.contextmanager
def naps(top: Path, lab: Lab) -> Iterator[Naps]:
    """Install the extra and the plugin, start the cluster, and write the workspace."""
    plugins = installed(top, "naps", "aac_naps")
    (plugins / "aac_naps.py").write_text(PLUGIN)
    lab.still.said(lab.python, "-m", "pip", "install", "-q", "distributed")
    with cluster(top / "cluster", (), {"PYTHONPATH": str(plugins), **UNWATCHED}, lab.python) as made:
        for number in range(WORKERS):
            made.add(str(number))
        env = {**lab.still.env, "PYTHONPATH": str(plugins), "AAC_EXECUTOR": made.address}
        place = Place(top / "naps", env)
        (place.folder / ".git").mkdir(parents=True)
        (place.folder / "dodo.py").write_text("from aac_tasks.dodo import *\n")
        yield Naps(place, lab, made, itertools.count(os.getpid()), [])
