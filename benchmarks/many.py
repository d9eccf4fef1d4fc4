"""A workspace of many agents, made and built for real; and the same graph for the peers."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import AGENT, MAIN, STEPS, Lab
from benchmarks.measure import Place
from benchmarks.peers import Node, peer_commands, write_graphs

DEPENDENCIES = "[markupsafe==3.0.2]"  # one wheel: one dependency layer that all of them share
MODULES = 17
"""With agent.yaml, agent.lock and main.py these make 20 files an agent."""

DODO = 'from aac_tasks.dodo import *\nDOIT_CONFIG["default_tasks"] = ["image"]\n'  # tests would start a thousand images


@dataclass(frozen=True)
class Many:
    """``place`` holds the workspace, ``names`` its agents; ``peers`` is a folder with the peers' graphs over its files, in which
    each of ``commands`` has been run.
    """

    lab: Lab
    place: Place
    names: tuple[str, ...]
    peers: Place
    commands: Mapping[str, tuple[str, ...]]
    built_seconds: float

    def source(self, name: str) -> Path:
        """A file to edit."""
        return self.place.folder / "agents" / name / "main.py"


def agent_names(count: int) -> tuple[str, ...]:
    """``a00000`` and so on."""
    return tuple(f"a{number:05d}" for number in range(count))


def make_workspace(folder: Path) -> None:
    """The root, without agents."""
    (folder / ".git").mkdir(parents=True)
    (folder / "dodo.py").write_text(DODO)


def add_agents(place: Place, lab: Lab, names: tuple[str, ...], modules: int = MODULES) -> None:
    """Write those that are missing. The first is locked; the others get its agent.lock, as a checkout has it: the question is
    the same.
    """
    for name in names:
        folder = place.folder / "agents" / name
        if folder.exists():
            continue
        (folder / "app").mkdir(parents=True)
        (folder / "agent.yaml").write_text(AGENT.format(name=name, dependencies=DEPENDENCIES))
        (folder / "main.py").write_text(f"NAME = {name!r}\n{MAIN}")
        for number in range(modules):
            (folder / "app" / f"m{number:02d}.py").write_text(f"AGENT, NUMBER = {name!r}, {number}\n")
        lock = place.folder / "agents" / names[0] / "agent.lock"
        if lock.exists():
            shutil.copy(lock, folder)
        else:
            place.said(lab.command("agent"), "lock")


def settle(place: Place, *argv: str) -> None:
    """Until stats answer: nothing may be younger than the run that looked at it."""
    time.sleep(0.1)
    place.said(*argv)
    place.said(*argv)


def many(top: Path, lab: Lab, count: int) -> Many:
    """Make, build and settle; says how long the one real build of all took."""
    place, peers = Place(top / "many", lab.still.env), Place(top / "many-peers", lab.still.env)
    make_workspace(place.folder)
    names = agent_names(count)
    add_agents(place, lab, names)
    agent = lab.command("agent")
    started = time.perf_counter()
    place.said(agent, "build", "-n", "2")
    seconds = time.perf_counter() - started
    print(f"built {count} agents in {seconds:.0f} s", file=sys.stderr)
    commands = peer_commands(lab, top / "tools")
    made = Many(lab, place, names, peers, commands, seconds)
    settle_all(made)
    write_graphs(peers.folder, list(steps(place.folder, names)))
    for argv in commands.values():
        peers.said(*argv)  # so that there is nothing to do
    return made


def steps(folder: Path, names: tuple[str, ...]) -> Iterator[Node]:
    """What peers are told of every step of every agent."""
    for name in names:
        agent = f"{folder}/agents/{name}"
        yaml, lock = f"{agent}/agent.yaml", f"{agent}/agent.lock"
        sources = (f"{agent}/main.py", *(f"{agent}/app/m{n:02d}.py" for n in range(MODULES)))
        inputs = ((yaml,), (yaml,), (lock,), (lock, *sources), ())
        before = ("", *STEPS)
        for number, step in enumerate(STEPS):
            needed = f"out/{name}/{before[number]}" if number else ""
            yield Node(f"out/{name}/{step}", needed, inputs[number], last=number == len(STEPS) - 1)


def settle_all(made: Many) -> None:
    """Every command that is measured without work has its own list of what it rests on."""
    doit, names = made.lab.command("doit"), made.names
    for argv in ((made.lab.command("agent"), "build"), (doit,), (doit, f"image:{names[len(names) // 2]}")):
        settle(made.place, *argv)
