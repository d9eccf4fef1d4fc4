"""Other tools with the same graph: each as its users would write it down, and would call it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import Lab, install_program, quietly


@dataclass(frozen=True)
class Node:
    """One step: it touches ``target``, from ``inputs`` and after the step ``needed`` ("": none); ``last`` of its agent."""

    target: str
    needed: str
    inputs: tuple[str, ...]
    last: bool

    @property
    def sources(self) -> str:
        """All that it depends on, in one line."""
        return " ".join(filter(None, (self.needed, *self.inputs)))


def peer_commands(lab: Lab, tools: Path) -> dict[str, tuple[str, ...]]:
    """Commands by what they are called in the table; make without its built-in rules, which it would try on every file."""
    found: dict[str, tuple[str, ...]] = {"`doit` with `file_dep`": (lab.command("doit"),)}
    if lab.make:
        found["`make -r`"] = (lab.make, "-r")
    if lab.ninja:
        found["`ninja`"] = (lab.ninja,)
    if task := install_program(tools, dict(lab.still.env), "task", "go-task-bin"):
        found["`task` (go-task)"] = (task, "--silent")
    found["`scons`"] = (_scons(lab, tools), "-Q")
    return found


def _scons(lab: Lab, tools: Path) -> str:
    """In an environment of its own."""
    env = dict(lab.still.env)
    quietly(env, sys.executable, "-m", "venv", str(tools / "scons"))
    quietly(env, str(tools / "scons/bin/python"), "-m", "pip", "-q", "--disable-pip-version-check", "install", "scons")
    return str(tools / "scons/bin/scons")


def write_graphs(folder: Path, graph: Sequence[Node]) -> None:
    """The files of every peer."""
    for node in graph:
        (folder / node.target).parent.mkdir(parents=True, exist_ok=True)
    last = [node.target for node in graph if node.last]
    rules = "".join(f"{node.target}: {node.sources}\n\t@touch $@\n" for node in graph)
    (folder / "Makefile").write_text(f"all: {' '.join(last)}\n{rules}")
    ninja = "".join(f"build {node.target}: touch {node.sources}\n" for node in graph)
    (folder / "build.ninja").write_text(f"rule touch\n  command = touch $out\n{ninja}")
    tasks = "".join(_task(node) for node in graph)
    (folder / "Taskfile.yml").write_text(f'version: "3"\ntasks:\n  default:\n    deps: [{", ".join(last)}]\n{tasks}')
    (folder / "graph.txt").write_text("".join(f"{node.target}: {node.sources}\n" for node in graph))
    (folder / "dodo.py").write_text(_DODO)
    (folder / "SConstruct").write_text(_SCONSTRUCT)


def _task(node: Node) -> str:
    """Tasks are told apart by their sources' contents, and run what they need first."""
    needed = f"    deps: [{node.needed}]\n" if node.needed else ""
    sources = ", ".join(filter(None, (node.needed, *node.inputs)))
    made = f"    generates: [{node.target}]\n    cmds: [touch {node.target}]\n"
    return f"  {node.target}:\n{needed}    sources: [{sources}]\n{made}"


_DODO = """\
DOIT_CONFIG = {"verbosity": 0, "reporter": "zero"}


def task_steps():
    with open("graph.txt") as graph:
        for line in graph:
            target, _, inputs = line.strip().partition(":")
            yield {"name": target, "actions": ["touch " + target], "file_dep": inputs.split(), "targets": [target]}
"""

_SCONSTRUCT = """\
DefaultEnvironment(tools=[])
with open("graph.txt") as graph:
    for line in graph:
        target, _, inputs = line.strip().partition(":")
        Command(target, inputs.split(), Touch("$TARGET"))
"""
