"""A command line with everything around it made of values: a world whose session answers from a table."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aac_tasks.cli import main
from aac_tasks.cli.world import World
from aac_tasks.contracts.plan import AgentPlan, Plan, Step
from aac_tasks.contracts.result import Event


def agent_plan(name: str, folder: str = "") -> AgentPlan:
    """A plan of three steps."""
    place = folder or f"agents/{name}"
    steps = tuple(
        Step(f"{kind}:{name}", kind, name, {"x": 1}, needs=needs, doc=f"does {kind}")
        for kind, needs in (("lock", ()), ("image", (f"lock:{name}",)), ("test", (f"image:{name}",)))
    )
    return AgentPlan(name, place, f"{place}/agent.yaml", steps, warnings=("a warning of the plan",))


@dataclass
class StageSession:
    """Answers what a test says; notes what it was asked."""

    options: Any
    tell: Any
    root: Path
    agents: tuple[AgentPlan, ...] = ()
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)

    def plan(self, names: tuple[str, ...] = ()) -> Plan:
        return Plan(tuple(a for a in self.agents if not names or a.agent in names))

    def why(self, step: str) -> Any:
        return self.answers[step]

    def image(self, agent: str) -> Any:
        return self.images.get(agent)

    def __getattr__(self, name: str) -> Any:
        answers = self.__dict__["answers"]
        if name in answers:
            return answers[name]
        raise AttributeError(name)


@dataclass
class Said:
    """What a command line came to."""

    code: int
    out: str
    err: str
    options: Any
    driven: list[Any]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Stage:
    """Runs command lines against one table of answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agents: tuple[AgentPlan, ...] = ()
        self.images: Mapping[str, Mapping[str, Any]] = {}
        self.answers: dict[str, Any] = {}
        self.events: Sequence[Event] = ()
        self.environment: dict[str, str] = {"TERM": "dumb"}
        self.exit = 0
        self.raises: BaseException | None = None

    def __call__(self, *argv: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        said = Said(0, "", "", None, [])

        def open_session(options: Any, tell: Any) -> Any:
            said.options = options
            return StageSession(options, tell, self.folder, self.agents, self.images, self.answers)

        def drive(session: Any, selection: Sequence[str], **how: Any) -> int:
            said.driven.append((tuple(selection), how))
            for event in self.events:
                session.tell(event)
            if self.raises is not None:
                raise self.raises
            return self.exit

        world = World(out, err, self.environment, self.folder, open_session, drive)
        said.code = main(argv, world)
        said.out, said.err = out.getvalue(), err.getvalue()
        return said
