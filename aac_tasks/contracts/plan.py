"""What will happen, as data: steps, their order, and what planning may know of the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aac_tasks.contracts.canonical import JsonObject, fingerprint
from aac_tasks.contracts.lock import Lock

STEP_KINDS = ("parse", "lock", "dockerfile", "image", "test", "push", "deploy")
"""The built-in steps, in the order they follow each other."""


PENDING_LOCK = "waits for step lock"
"""Why a step can't be planned yet; any other reason is a problem of agent.yaml."""


@dataclass(frozen=True)
class Facts:
    """What planning may know of the disk. ``folder`` is the agent's folder (for messages only).

    ``texts`` maps each file name that a runtime asked for to its content, or None where it is absent.
    ``exists`` holds the asked-for names that are there. ``lock`` is the agent.lock, None when absent. ``left_out`` maps those
    of the names that are there, but go into no image, to the rule that leaves them out.
    """

    folder: Path
    texts: Mapping[str, str | None] = field(default_factory=dict)
    exists: frozenset[str] = frozenset()
    lock: Lock | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TreeRequest:
    """A set of files that a step reads: everything below ``root`` that the ignore rules leave.

    ``root`` is relative to the state root. ``ignore`` holds patterns in .dockerignore's notation, last match wins;
    ``only`` restricts the tree to these relative paths (files or folders), empty means all.
    """

    root: str
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consumed:
    """One output of an upstream step that is part of this step's key."""

    step: str
    output: str


@dataclass(frozen=True)
class Step:
    """One unit of cached work.

    ``id`` is ``kind:agent``. ``action`` is the encoded action (see ``contracts.actions``), or None while it waits
    for the lock to be written (then ``pending`` says so). ``needs`` orders, ``consumes`` also keys. ``format`` is
    raised when the same action would give other bytes. ``asks`` names what joins the action just before it is judged: facts
    of the host (``runner``), and the agents that it needs (``services``). ``origins`` maps a dotted path of the action to the
    spec path it came from. ``pure`` steps may be answered by the action cache; the others have effects in the world.
    """

    id: str
    kind: str
    agent: str
    action: JsonObject | None
    tree: TreeRequest | None = None
    needs: tuple[str, ...] = ()
    consumes: tuple[Consumed, ...] = ()
    format: int = 1
    asks: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    pure: bool = True
    pending: str = ""
    doc: str = ""


@dataclass(frozen=True)
class AgentPlan:
    """The steps of one agent, upstream first. ``folder`` is relative to the state root, ``file`` the agent.yaml's name."""

    agent: str
    folder: str
    file: str
    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()
    lock_inputs: str = ""

    @property
    def others(self) -> tuple[str, ...]:
        """Agents that steps of this one need."""
        foreign = (n for s in self.steps for n in s.needs if n == s.id or n.partition(":")[2] != self.agent)
        return tuple(sorted({need.partition(":")[2] for need in foreign}))

    def step(self, kind: str) -> Step | None:
        """The step of that kind, or None."""
        return next((s for s in self.steps if s.kind == kind), None)

    def before(self, step: Step) -> tuple[Step, ...]:
        """Every step of the agent that ``step`` needs, directly or not, in the plan's order."""
        found, left = set[str](), list(step.needs)
        while left:
            need = left.pop()
            if need not in found:
                found.add(need)
                left += [n for s in self.steps if s.id == need for n in s.needs]
        return tuple(s for s in self.steps if s.id in found)


@dataclass(frozen=True)
class Plan:
    """All agents of a run, each behind those that it needs; names are unique, the graph has no cycle (checked when it is made).

    ``needed`` are the names of those that nobody asked for, but that others need.
    """

    agents: tuple[AgentPlan, ...]
    needed: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[AgentPlan, ...]:
        """The others."""
        return tuple(a for a in self.agents if a.agent not in self.needed)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, upstream first within each agent."""
        return tuple(s for a in self.agents for s in a.steps)

    def step(self, step_id: str) -> Step:
        """Look a step up by its id; KeyError when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)


@dataclass(frozen=True)
class Key:
    """Two names of one piece of work.

    ``key`` holds what really goes in (upstream outputs: early cutoff); ``deep`` is knowable without running
    anything (upstream deep keys and all leaves). Both are 64 hexadecimal digits.
    """

    key: str
    deep: str


def make_key(step: Step, action: JsonObject, tree: str, outputs: JsonObject, deep_upstream: JsonObject) -> Key:
    """The two keys of a step. ``tree`` is its input tree's digest ("" without one)."""
    common: JsonObject = {
        "kind": step.kind,
        "agent": step.agent,
        "action": action,
        "tree": tree,
        "format": step.format,
    }
    return Key(
        key=fingerprint({**common, "upstream": outputs}),
        deep=fingerprint({**common, "deep": deep_upstream}),
    )
