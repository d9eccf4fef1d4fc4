"""The `Tools` that steps lend to plugins: processes, http, blobs, secrets and clocks, bound to one step's run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.tools import BlobStore, Completed, HttpRequest, HttpResponse, Process, Spawned
    from aac_tasks.steps.http import Http
    from aac_tasks.steps.process import Processes


@dataclass
class Workshop:
    """What a whole run shares: one connection pool, one set of children, one store, the user's environment.

    The first two are made when they are needed: an image whose layers are in the store needs neither.
    ``tell_output`` takes the lines of children.
    """

    tell_output: Callable[[str], None]
    blobs: BlobStore
    scratch: Callable[[], AbstractContextManager[Path]]
    cache: Path
    environment: Mapping[str, str]
    cancelled: threading.Event
    resolve_secret: Callable[[str], str | None]
    offline: bool = False
    _processes: Processes | None = field(default=None, init=False)
    _network: Http | None = field(default=None, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def processes(self) -> Processes:
        """The children of this run."""
        with self._guard:
            if self._processes is None:
                from aac_tasks.steps.process import Processes

                self._processes = Processes(environment=self.environment, tell=self.tell_output, cancelled=self.cancelled)
            return self._processes

    @property
    def network(self) -> Http:
        """The connections of this run."""
        with self._guard:
            if self._network is None:
                from aac_tasks.steps.http import Http

                self._network = Http(environment=self.environment, offline=self.offline, cancelled=self.cancelled)
            return self._network

    def kill(self) -> None:
        """End children without giving them time."""
        if self._processes is not None:
            self._processes.kill_children(grace=0.0)

    def close(self) -> None:
        """End children that are still there."""
        if self._processes is not None:
            self._processes.kill_children()


@dataclass(frozen=True)
class StepTools:
    """`Tools` for one step. ``deadline`` is in seconds of ``now()``; 0 means none."""

    shop: Workshop
    root: Path
    state: Path
    tell_progress: Callable[[str, int, int], None]
    tell_note: Callable[[str], None]
    deadline: float = 0.0

    @property
    def blobs(self) -> BlobStore:
        """The user's blob store."""
        return self.shop.blobs

    @property
    def offline(self) -> bool:
        """True when no network may be used."""
        return self.shop.offline

    @property
    def cache(self) -> Path:
        """The folder that all projects of the user share."""
        return self.shop.cache

    def run(self, process: Process) -> Completed:
        """Run to the end."""
        return self.shop.processes.run(process)

    def spawn(self, process: Process, *, log: Path, errors: Path | None = None, session: bool = True) -> Spawned:
        """Start in the background."""
        return self.shop.processes.spawn(process, log=log, errors=errors, session=session)

    def foreground(self, process: Process) -> int:
        """Run it with the user's terminal."""
        return self.shop.processes.foreground(process)

    def exit_code(self, spawned: Spawned) -> int | None:
        """How it ended."""
        return self.shop.processes.exit_code(spawned)

    def alive(self, spawned: Spawned) -> bool:
        """True while that very process runs."""
        return self.shop.processes.alive(spawned)

    def kill(self, spawned: Spawned, *, grace: float = 10.0) -> None:
        """End its session."""
        self.shop.processes.kill(spawned, grace=grace)

    def which(self, program: str) -> Path | None:
        """Where a program is."""
        return self.shop.processes.which(program)

    def http(self, request: HttpRequest) -> AbstractContextManager[HttpResponse]:
        """Ask over the network."""
        return self.shop.network.request(request)

    def connects(self, host: str, port: int, timeout: float = 1.0, stays: float = 0.0) -> bool:
        """True when a local port accepts."""
        return self.shop.network.connects(host, port, timeout, stays)

    def free_port(self) -> int:
        """A free loopback port."""
        return self.shop.network.free_port()

    def hold_port(self, port: int) -> bool:
        """Keep it from others of ours."""
        return self.shop.network.hold_port(port)

    def let_go_of_port(self, port: int) -> None:
        """Give it back."""
        self.shop.network.let_go_of_port(port)

    def scratch(self) -> AbstractContextManager[Path]:
        """An empty folder, gone at the end."""
        return self.shop.scratch()

    def secret(self, reference: str) -> str:
        """The value of a secret reference."""
        value = self.shop.resolve_secret(reference)
        if value is None:
            raise StepError(
                f"secret {reference!r} has no value here",
                hint="set the environment variable or file that it names, or declare it under spec.secrets",
            )
        return value

    def environment(self, name: str) -> str | None:
        """One variable of the user's environment."""
        return self.shop.environment.get(name)

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """How far it is."""
        self.tell_progress(text, done, total)

    def note(self, text: str) -> None:
        """One line that stays."""
        self.tell_note(text)

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is cancelled or out of time."""
        if self.shop.cancelled.wait(seconds):
            raise StepError("interrupted")
        if self.deadline and self.now() > self.deadline:
            raise StepError("out of time")

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wait_until(self, condition: Callable[[], bool], *, timeout: float, every: float = 0.05) -> bool:
        """Poll until true or until time is up."""
        end = self.now() + timeout
        while not condition():
            if self.now() >= end:
                return False
            self.sleep(every)
        return True
