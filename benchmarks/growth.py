"""How cost grows with the number of agents: 1, 10, 100 … of them in one workspace that is added to; a table and a plot."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import ROOT, Lab
from benchmarks.many import add_agents, agent_names, make_workspace, settle
from benchmarks.measure import Place, Series
from benchmarks.scale import compile_cold

PLOT = ROOT / "docs" / "performance-growth.svg"
RUNS = 5
MODULES = 1


@dataclass(frozen=True)
class Point:
    """Milliseconds and MB (10^6 bytes) with so many agents."""

    agents: int
    no_op: float
    edit: float
    compile: float
    megabytes: float


SERIES = (
    ("no_op", "nothing changed", "#1b6ca8"),
    ("edit", "one line of one agent edited", "#c0392b"),
    ("compile", "cold compile", "#27804c"),
)


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
        time.sleep(0.1)
    print(file=sys.stderr)
    cold = compile_cold(lab, place, count)
    place.said(agent, "build")
    return Point(count, idle.median, edited.median, 1000 * cold.seconds, cold.megabytes)


def growth_table(points: Sequence[Point]) -> Iterator[str]:
    """The table in Markdown."""
    yield "| agents | nothing changed, ms | one line edited, until all is done, ms | cold compile, ms | its peak memory, MB |"
    yield "|--:|--:|--:|--:|--:|"
    for point in points:
        yield f"| {point.agents} | {point.no_op:.0f} | {point.edit:.0f} | {point.compile:.0f} | {point.megabytes:.0f} |"


WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 360, 60, 50, 20


def plot(points: Sequence[Point]) -> str:
    """Both axes logarithmic: a straight line at 45° is a cost in proportion."""
    largest = max(max(getattr(p, name) for name, _, _ in SERIES) for p in points)
    high, wide = math.ceil(math.log10(largest)), max(1.0, math.log10(points[-1].agents))

    def x(agents: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * math.log10(agents) / wide

    def y(milliseconds: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (math.log10(max(milliseconds, 10.0)) - 1) / (high - 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for power in range(1, high + 1):
        at = y(10.0**power)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{10**power:,} ms</text>')
    for point in points:
        parts.append(f'<text x="{x(point.agents):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{point.agents:,}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">agents</text>')
    for number, (name, label, colour) in enumerate(SERIES):
        line = " ".join(f"{x(p.agents):.1f},{y(getattr(p, name)):.1f}" for p in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 12}" y="{TOP + 14 + 16 * number}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])
