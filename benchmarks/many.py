"""A workspace of many agents, made and built for real; and the same graph for the peers."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import AGENT, MAIN, STEPS, Lab
from benchmarks.measure import Place

DEPENDENCIES = "[markupsafe==3.0.2]"  # one wheel: one dependency layer that all of them share
MODULES = 17
"""With agent.yaml, agent.lock and main.py these make 20 files an agent."""

DODO = 'from aac_tasks.dodo import *\nDOIT_CONFIG["default_tasks"] = ["image"]\n'  # tests would start a thousand images


@dataclass(frozen=True)
class Many:
    """``place`` holds the workspace, ``names`` its agents; ``peers`` is a folder with the peers' graphs over its files."""

    lab: Lab
    place: Place
    names: tuple[str, ...]
    peers: Place
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
    made = Many(lab, place, names, peers, seconds)
    settle_all(made)
    graphs(made)
    return made


def settle_all(made: Many) -> None:
    """Every command that is measured without work has its own list of what it rests on."""
    doit, names = made.lab.command("doit"), made.names
    for argv in ((made.lab.command("agent"), "build"), (doit,), (doit, f"image:{names[len(names) // 2]}")):
        settle(made.place, *argv)


def steps(made: Many) -> Iterator[tuple[str, str]]:
    """(target, inputs) of every step of every agent."""
    for name in made.names:
        folder = made.place.folder / "agents" / name
        yaml, lock = f"{folder}/agent.yaml", f"{folder}/agent.lock"
        sources = " ".join([f"{folder}/main.py", *(f"{folder}/app/m{n:02d}.py" for n in range(MODULES))])
        inputs = (yaml, yaml, lock, f"{lock} {sources}", "")
        before = ("", *STEPS)
        for number, step in enumerate(STEPS):
            needed = f"out/{name}/{before[number]} " if number else ""
            yield f"out/{name}/{step}", f"{needed}{inputs[number]}".strip()


def graphs(made: Many) -> None:
    """The same steps over the same files for ninja, make and doit's own file_dep; run once, so that there is nothing to do."""
    folder, graph = made.peers.folder, list(steps(made))
    for name in made.names:
        (folder / "out" / name).mkdir(parents=True)
    last = " ".join(target for target, _ in graph if target.endswith(f"/{STEPS[-1]}"))
    rules = "".join(f"{target}: {inputs}\n\t@touch $@\n" for target, inputs in graph)
    (folder / "Makefile").write_text(f"all: {last}\n{rules}")
    ninja = "".join(f"build {target}: touch {inputs}\n" for target, inputs in graph)
    (folder / "build.ninja").write_text(f"rule touch\n  command = touch $out\n{ninja}")
    (folder / "graph.txt").write_text("".join(f"{target}: {inputs}\n" for target, inputs in graph))
    (folder / "dodo.py").write_text(_DODO)
    for argv in peer_commands(made.lab).values():
        made.peers.said(*argv)


def peer_commands(lab: Lab) -> dict[str, tuple[str, ...]]:
    """Commands as their users would write them; make without its built-in rules, which it would try on every file."""
    found = {"`doit` with `file_dep`": (lab.command("doit"),)}
    if lab.make:
        found["`make -r`"] = (lab.make, "-r")
    if lab.ninja:
        found["`ninja`"] = (lab.ninja,)
    return found


_DODO = """\
DOIT_CONFIG = {"verbosity": 0, "reporter": "zero"}


def task_steps():
    with open("graph.txt") as graph:
        for line in graph:
            target, _, inputs = line.strip().partition(":")
            yield {"name": target, "actions": ["touch " + target], "file_dep": inputs.split(), "targets": [target]}
"""
