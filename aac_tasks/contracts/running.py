"""Roles that run images: runners here, deployers anywhere. Methods that take ``tools`` have effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, runtime_checkable

from aac_tasks.contracts.actions import DeployAction, InstanceSpec
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import Digest, ImageConfig, StoredImage
from aac_tasks.contracts.result import Artifact
from aac_tasks.contracts.tools import Process, Tools


@dataclass(frozen=True)
class Probe:
    """Whether a runner works here, found out by doing. ``isolation`` is one of ``ISOLATION``, strongest first."""

    works: bool
    isolation: str = ""
    version: str = ""
    reason: str = ""


ISOLATION = ("engine", "container", "namespace", "process")
"""docker and podman; crun and runc; a user namespace with chroot; only a process with limits (``host``)."""


@dataclass(frozen=True)
class RunRequest:
    """An image to start. ``env`` holds resolved values (secrets included: never logged, never stored).

    ``ports`` maps container port → host port (0: choose a free one). ``state`` is an empty folder for the instance's
    own files; it lives as long as the instance. ``log`` receives stdout and stderr; where there is ``errors``, that file receives
    stderr. ``detach``: outlives this process. ``interactive``: the user's stdin is the agent's; with ``terminal`` the user's
    terminal is also its output, and the log stays empty. ``place`` is what `Preparing.prepare` made for such an instance, and
    ``changes`` leads from the image that it was made for to this one, where files do and none has to go.
    """

    image: StoredImage
    config: ImageConfig
    instance: InstanceSpec
    env: Mapping[str, str]
    state: Path
    log: Path
    detach: bool = False
    interactive: bool = False
    terminal: bool = False
    place: JsonObject = field(default_factory=dict)
    changes: Changes | None = None
    errors: Path | None = None

    @property
    def logs(self) -> tuple[Path, ...]:
        """The files that receive what it says."""
        return (self.log, self.errors) if self.errors else (self.log,)


@dataclass(frozen=True)
class Instance:
    """A running image: JSON in, JSON out, so that it is found again after a crash or tomorrow.

    ``ports`` maps ``8080/tcp`` → host port on ``address``. ``handle`` belongs to the runner. ``inside`` is the address that other
    instances of the runner reach its own ports at; empty where they all share this machine's network.
    """

    runner: str
    name: str
    image: Digest
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str = "127.0.0.1"
    handle: JsonObject = field(default_factory=dict)
    inside: str = ""

    @property
    def url(self) -> str:
        """Where this machine reaches its first port; empty without one."""
        return next((f"http://{self.address}:{port}" for name, port in self.ports.items() if name.endswith("/tcp")), "")

    @property
    def place_inside(self) -> tuple[str, int]:
        """Host and port that another instance of the runner reaches its first port at; 0 without one."""
        own, port = next(((int(name[:-4]), port) for name, port in self.ports.items() if name.endswith("/tcp")), (0, 0))
        return (self.inside, own) if self.inside else (self.address, port)

    @property
    def url_inside(self) -> str:
        """The same as a URL; empty without a port."""
        host, port = self.place_inside
        return f"http://{host}:{port}" if port else ""


@dataclass(frozen=True)
class Status:
    """``state`` is ``running``, ``exited`` or ``gone``; ``exit_code`` only when it exited and that is known."""

    state: str
    exit_code: int | None = None
    started: str = ""


class Runner(Protocol):
    """Image → running instance, for test, run and local deploys."""

    @property
    def name(self) -> str:
        """What agent.yaml and tables call it."""
        ...

    def probe(self, tools: Tools) -> Probe:
        """Try it, within 200 ms."""
        ...

    def start(self, request: RunRequest, tools: Tools) -> Instance:
        """Start it and return at once; StepError, with nothing left behind, when it can't be started."""
        ...

    def status(self, instance: Instance, tools: Tools) -> Status:
        """Is that very instance running?"""
        ...

    def execute(
        self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, timeout: float = 30.0
    ) -> tuple[int, str]:
        """Run a program inside; exit code and combined output."""
        ...

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None:
        """End it and remove what it left; nothing happens when it is gone already."""
        ...

    def signal(self, instance: Instance, number: int, tools: Tools) -> None:
        """Send it a signal."""
        ...


@runtime_checkable
class Interactive(Protocol):
    """A runner that lets the user's own stdin and stdout into an instance. Both answers are run in the foreground."""

    def enter(
        self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, terminal: bool
    ) -> AbstractContextManager[Process]:
        """A second process inside; ``terminal``: with one of its own, where the runner can. StepError when it does not run."""
        ...

    def attach(self, instance: Instance, tools: Tools) -> Process | None:
        """What connects the user with an instance that was started ``interactive``; None when it is connected already."""
        ...


@dataclass(frozen=True)
class Usage:
    """What an instance uses: ``cpu`` in seconds since it was started, ``memory`` in bytes, its ``processes`` counted."""

    cpu: float
    memory: int
    processes: int = 0


@runtime_checkable
class Measuring(Protocol):
    """A runner that can say what an instance uses."""

    def usage(self, instance: Instance, tools: Tools) -> Usage | None:
        """What it uses now; None when it does not run."""
        ...


@dataclass(frozen=True)
class Changes:
    """What leads from the files of one image to those of another. Paths are relative to the root.

    ``archive`` is a tar of what is new or another, folders before what lies in them: each member takes the place of whatever
    is there. ``gone`` is what is there no longer, a folder with all that it holds.
    """

    archive: Path
    changed: tuple[str, ...]
    gone: tuple[str, ...] = ()


@runtime_checkable
class Reloading(Protocol):
    """A runner that gives a running instance the files of another image in less time than it starts one."""

    def reload(self, instance: Instance, request: RunRequest, changes: Changes, tools: Tools, *, grace: float) -> Instance:
        """End the agent, change the files while nothing runs, and start the agent again in the same instance.

        ``request`` is as for `Runner.start`, with the new image, and the folder and the log that the instance has. Its name,
        its ports, its volumes and what the agent wrote stay. StepError: it is neither the old one nor the new one, and good
        for nothing but `Runner.stop`.
        """
        ...


@runtime_checkable
class Preparing(Protocol):
    """A runner that can make ahead what a start takes its time with."""

    def prepare(self, request: RunRequest, tools: Tools) -> JsonObject:
        """A place for an instance like this one, which names it (`RunRequest.place`); empty where nothing can be made ahead.

        ``request.state`` is the place's name. What ``request.place`` has still to give stays, everything else that it had goes.
        """
        ...

    def give_up(self, state: Path, tools: Tools) -> None:
        """Remove the place of that name and who is in it; nothing happens when there is none."""
        ...


Runners = Callable[[str], Runner]
"""The runner of that name; PluginError when it is not installed any more."""


@dataclass(frozen=True)
class DeployRequest:
    """What a deployer gets: the action, the image, the chosen runner, and what it said it deployed last time.

    ``runner`` starts the image where the target is this machine; ``runners`` finds the one that started what ran
    before. ``resolve_env`` turns the instance's env into values. ``wait_until_well(instance, log)`` returns when the
    instance's health check answers; StepError, with the end of its log, when it ends or never does.
    """

    action: DeployAction
    image: StoredImage
    config: ImageConfig
    runner: Runner | None
    runners: Runners
    resolve_env: Callable[[InstanceSpec], Mapping[str, str]]
    wait_until_well: Callable[[Instance, Path], None]
    previous: JsonObject


@dataclass(frozen=True)
class Deployed:
    """``url`` is where it answers; ``data`` is kept and given back as ``previous``, to ``status``, ``logs`` and ``remove``."""

    url: str
    data: JsonObject
    artifacts: tuple[Artifact, ...] = ()


class Deployer(Protocol):
    """Where agents run. ``pulls``: the target fetches the image from a registry, so ``deploy`` needs ``push``.

    ``settings_schema`` (JSON Schema or None) is mounted at ``spec.deploy.<name>``. ``runners`` is for targets on this
    machine, whose agents some runner started.
    """

    @property
    def name(self) -> str:
        """What agent.yaml and tables call it."""
        ...

    @property
    def format(self) -> int:
        """Raised when the same input would give other bytes."""
        ...

    @property
    def pulls(self) -> bool:
        """Whether the target fetches the image from a registry."""
        ...

    @property
    def settings_schema(self) -> JsonObject | None:
        """JSON Schema of its own settings, or None."""
        ...

    def deploy(self, request: DeployRequest, tools: Tools) -> Deployed:
        """Replace what ran by this image once it is well; when it never becomes well, what ran before still runs."""
        ...

    def status(self, data: JsonObject, tools: Tools, runners: Runners) -> Status:
        """What runs now."""
        ...

    def logs(self, data: JsonObject, tools: Tools, runners: Runners) -> IO[bytes]:
        """What it wrote, oldest first."""
        ...

    def remove(self, data: JsonObject, tools: Tools, runners: Runners) -> None:
        """Stop it and remove what the target keeps of it."""
        ...
