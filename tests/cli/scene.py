"""A command line with everything around it made of values: a world whose session answers from a table."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from aac_tasks.catalog import Table
from aac_tasks.cli import main
from aac_tasks.cli.world import World
from aac_tasks.contracts.plan import AgentPlan, Plan, Step
from aac_tasks.contracts.result import Event, Verdict
from aac_tasks.contracts.roles import Status
from aac_tasks.contracts.template import Template
from aac_tasks.errors import UsageError

DIGEST = "sha256:" + "0123456789abcdef" * 4


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
    """Answers what a test says."""

    options: Any
    tell: Any
    root: Path
    agents: tuple[AgentPlan, ...]
    images: Mapping[str, Mapping[str, Any]]
    answers: Mapping[str, Any]
    closed: bool = False
    fresh: tuple[str, ...] = ("lock:hello",)
    cancelled: threading.Event = field(default_factory=threading.Event)
    settings: Any = field(default_factory=lambda: SimpleNamespace(jobs=0))
    elsewhere: Any = None
    missed: tuple[str, ...] = ()

    def plan(self, names: tuple[str, ...] = ()) -> Plan:
        return Plan(tuple(a for a in self.agents if not names or a.agent in names))

    def narrow(self, names: Sequence[str]) -> None:
        """Everything is planned anyway."""

    def leave_untouched(self, arguments: Sequence[str]) -> None:
        """Nothing is known of an earlier run."""

    def judge(self, step: str) -> Verdict:
        return Verdict(step in self.fresh, "up to date since then" if step in self.fresh else "no finished run is on record")

    def ignored(self, plan: Plan) -> dict[str, str]:
        return {}

    def uses(self, step: Step) -> tuple[str, ...]:
        return tuple(consumed.step for consumed in step.consumes)

    def last(self, agent: str, kind: str) -> Any:
        return SimpleNamespace(key="k", seconds=1.5) if kind == "lock" else None

    def why(self, step: str) -> Any:
        return self.answers[step]

    def image(self, agent: str) -> Any:
        return self.images.get(agent)

    def outputs(self, agent: str, kind: str) -> Any:
        return self.images.get(agent) if kind == "image" else None

    @property
    def workspace(self) -> Any:
        return self.answers["workspace"]

    @property
    def plugins(self) -> Any:
        return self.answers["plugins"]

    @property
    def hands(self) -> Any:
        return self.answers["hands"]

    @property
    def catalog(self) -> Any:
        return self.plugins.catalog

    def folder(self, agent: AgentPlan) -> Path:
        return self.root / agent.folder

    def kill(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.closed = True


@dataclass
class StageInstances:
    """Instances that do what a list says; a log is given in pieces, the last of which ends it."""

    listed: list[dict[str, Any]] = field(default_factory=list)
    log: tuple[bytes, ...] = (b"",)
    errors: tuple[bytes, ...] = ()
    stopped: list[str] = field(default_factory=list)
    exit_code: int = 0
    interrupt: bool = False
    asked: Any = None
    signals: list[int] = field(default_factory=list)

    def signal(self, name: str, number: int) -> None:
        self.signals.append(number)

    def all(self) -> list[dict[str, Any]]:
        return self.listed

    def start(self, agent: str, said: Any, **how: Any) -> dict[str, Any]:
        self.asked = (said, how)
        return {"name": f"{agent}-run", "agent": agent, "by": "run", "url": "http://127.0.0.1:8080", "runner": "crun"}

    def stop(self, name: str) -> None:
        self.stopped.append(name)

    def streams(self, name: str) -> tuple[IO[bytes], ...]:
        return tuple(self._growing(log) for log in (self.log, self.errors) if log)

    def logs(self, name: str) -> IO[bytes]:
        return self._growing(self.log)

    def _growing(self, log: tuple[bytes, ...]) -> IO[bytes]:
        pieces = list(log)

        class Growing(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return pieces.pop(0) if pieces else b""

        return Growing(b"".join(log))

    def status(self, name: str) -> Status:
        if self.interrupt:
            raise KeyboardInterrupt
        return Status("exited", self.exit_code)

    def sleep(self, seconds: float) -> None:
        """Time flies."""


@dataclass
class StageImages:
    """Images by agent, from the table of the stage."""

    table: Mapping[str, Mapping[str, Any]]
    done: list[tuple[str, ...]] = field(default_factory=list)

    def all(self, *, nameless: bool = False) -> list[Any]:
        names = [name for name in self.table if nameless or self.table[name].get("names")]
        return [self._known(name, self.table[name]) for name in names]

    def _known(self, agent: str, facts: Mapping[str, Any]) -> Any:
        one = SimpleNamespace(agent=agent, digest=facts["digest"], digests=(facts["digest"],), names=facts.get("names", ()))
        one.of = lambda platforms: one
        return one

    def find(self, word: str) -> Any:
        found = next((one for one in self.all(nameless=True) if word in (one.agent, *one.names)), None)
        if found is None:
            raise UsageError(f"no image {word!r} here")
        return found

    def facts(self, one: Any) -> dict[str, Any]:
        return {"agent": one.agent, "names": [], "labels": {}, "platform": "linux/amd64", **self.table[one.agent]}

    def inside(self, one: Any) -> dict[str, Any]:
        return {"user": "10001:10001", "spec": {"name": one.agent}}

    def remove(self, word: str, *, force: bool) -> tuple[Any, int, list[Any]]:
        self.done.append(("remove", word))
        return self.find(word), 1000, [SimpleNamespace(engine="docker", name="hello:1.0")] if force else []


@dataclass
class Said:
    """What a command line came to."""

    code: int
    out: str
    err: str
    sessions: list[StageSession]
    driven: list[Any]

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def options(self) -> Any:
        return self.sessions[-1].options


class Stage:
    """Runs command lines against one table of answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agents: tuple[AgentPlan, ...] = ()
        self.images: Mapping[str, Mapping[str, Any]] = {}
        self.answers: dict[str, Any] = {}
        self.events: Sequence[Event] = ()
        self.environment: dict[str, str] = {"TERM": "dumb"}
        self.instances = StageInstances()
        self.templates: tuple[Template, ...] = ()
        self.exit = 0
        self.removed: list[tuple[str, ...]] = []
        self.raises: BaseException | None = None

    def __call__(self, *argv: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        said = Said(0, "", "", [], [])

        def open_session(options: Any, tell: Any) -> Any:
            session = StageSession(options, tell, self.folder, self.agents, self.images, self.answers)
            said.sessions.append(session)
            return session

        def drive(session: Any, selection: Sequence[str], **how: Any) -> int:
            said.driven.append((tuple(selection), how))
            for event in self.events:
                session.tell(event)
            if self.raises is not None:
                raise self.raises
            return self.exit

        templates = Table("template", {t.name: t for t in self.templates})
        plugins: Any = SimpleNamespace(catalog=SimpleNamespace(templates=templates))
        instances: Any = self.instances
        images: Any = StageImages(self.images, self.removed)
        world = World(
            out=out,
            err=err,
            environment=self.environment,
            folder=self.folder,
            open=open_session,
            drive=drive,
            instances=lambda _: instances,
            plugins=lambda: plugins,
            images=lambda _: images,
        )
        said.code = main(argv, world)
        said.out, said.err = out.getvalue(), err.getvalue()
        return said
