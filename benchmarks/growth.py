"""How cost grows with the number of agents: 1, 10, 100 … of them in one workspace that is added to; a table and a picture.

Told in processor time (of all processes of a command), which a machine that others work on disturbs least.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import ROOT, Lab
from benchmarks.many import add_agents, agent_names, make_workspace, settle
from benchmarks.measure import Place, Series
from benchmarks.plot import Line, Panel, picture
from benchmarks.scale import compile_cold

PLOT = ROOT / "docs" / "performance-growth.svg"
RUNS = 5
MODULES = 1


@dataclass(frozen=True)
class Point:
    """Milliseconds of processor time, and MB (10^6 bytes), with so many agents."""

    agents: int
    no_op: float
    edit: float
    compile: float
    megabytes: float


def grow(top: Path, lab: Lab, most: int) -> Iterator[Point]:
    """Every power of ten up to ``most``; only what is new is built."""
    place, agent = Place(top / "growing", lab.still.env), lab.command("agent")
    make_workspace(place.folder)
    count = 1
    while count <= most:
        names = agent_names(count)
        add_agents(place, lab, names, MODULES)
        place.said(agent, "build", "-n", "2")
        settle(place, agent, "build")
        yield _measured(lab, place, names)
        count *= 10


def _measured(lab: Lab, place: Place, names: tuple[str, ...]) -> Point:
    agent, count = lab.command("agent"), len(names)
    idle, edited = Series(), Series()
    source = place.folder / "agents" / names[count // 2] / "main.py"
    text = source.read_text()
    for number in range(RUNS):
        print(f"\r{count} agents, run {number + 1} of {RUNS}", end="", file=sys.stderr, flush=True)
        idle.samples.append(place.timed(agent, "build"))
        source.write_text(f"{text}# {time.time_ns()}\n")
        time.sleep(0.1)
        edited.samples.append(place.timed(agent, "build"))
        settle(place, agent, "build")
    print(file=sys.stderr)
    cold = compile_cold(lab, place, count)
    place.said(agent, "build")
    return Point(count, idle.cpu, edited.cpu, 1000 * cold.cpu, cold.megabytes)


def growth_table(points: Sequence[Point]) -> Iterator[str]:
    """The table in Markdown."""
    yield "| agents | nothing changed, CPU ms | one line edited, CPU ms | cold compile, CPU ms | its peak memory, MB |"
    yield "|--:|--:|--:|--:|--:|"
    for point in points:
        yield f"| {point.agents:,} | {point.no_op:.0f} | {point.edit:.0f} | {point.compile:.0f} | {point.megabytes:.0f} |"


def plot(points: Sequence[Point]) -> str:
    """Time above, memory below; all axes logarithmic: a straight line at 45° is a cost in proportion."""
    agents = [point.agents for point in points]
    times = (
        Line("cold compile", "#27804c", [p.compile for p in points]),
        Line("one line of one agent edited, until all is done", "#c0392b", [p.edit for p in points]),
        Line("nothing changed", "#1b6ca8", [p.no_op for p in points]),
    )
    memory = (Line("peak memory of a cold compile", "#27804c", [p.megabytes for p in points]),)
    return picture(agents, (Panel("ms of processor time", 260, times), Panel("MB", 150, memory)), "agents")
