"""The real tools of a step in a folder of their own, and images to run with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aac_tasks.conformance.lending import lend
from aac_tasks.conformance.tiny_images import tiny_image
from aac_tasks.contracts.actions import InstanceSpec, PortMapping
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.roles import Instance, Runner, RunRequest
from aac_tasks.steps.tools import StepTools

SERVE = ("/bin/sh", "-c", 'exec httpd -f -p "127.0.0.1:${PORT:-8080}" -h "$WWW"')

WEB = ImageConfig(
    entrypoint=SERVE,
    user="10001:10001",
    working_dir="/app",
    env=("PATH=/bin", "FROM_IMAGE=yes", "WWW=/www"),
    exposed_ports=("8080/tcp",),
)
"""An image that serves a page on loopback, where only it itself and its host's network reach it."""


def shell(script: str, **more: object) -> ImageConfig:
    """An image that runs a script; ``more`` are fields of `ImageConfig`."""
    return replace(WEB, entrypoint=("/bin/sh", "-c", script), **more)  # type: ignore[arg-type]


def web(name: str = "agent", host: int = 0) -> InstanceSpec:
    """An instance with one port."""
    return InstanceSpec(name, ports=(PortMapping(8080, host),))


@dataclass
class Stage:
    """Tools in a folder of their own, and what was started with them. ``notes`` collects what was said."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    started: list[tuple[Runner, Instance]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lent = lend(self.folder, self.environment)
        self.tools, self.shop, self.blobs = self.lent.tools, self.lent.shop, self.lent.blobs
        self.notes, self.cancelled = self.lent.notes, self.lent.cancelled

    def tools_of(self, agent: str) -> StepTools:
        """The tools of one agent's step."""
        return self.lent.of(agent)

    def image(self, config: ImageConfig, files: Mapping[str, bytes] = {}) -> StoredImage:
        """Busybox, a web page, and ``files``; ``config`` says how it runs."""
        return tiny_image(config, files, self.blobs)

    def request(self, config: ImageConfig, instance: InstanceSpec, **more: object) -> RunRequest:
        """A request to run the busybox image; ``more`` are fields of `RunRequest`, or ``files`` of the image."""
        files = more.pop("files", {})
        state = self.folder / "instances" / instance.name
        state.mkdir(parents=True, exist_ok=True)
        request = RunRequest(
            image=self.image(config, files),  # type: ignore[arg-type]
            config=config,
            instance=instance,
            env={},
            state=state,
            log=self.folder / f"{instance.name}.log",
        )
        return replace(request, **more)  # type: ignore[arg-type]

    def said_by(self, request: RunRequest) -> str:
        """What the agent wrote until now."""
        return request.log.read_text() if request.log.exists() else ""

    def start(self, runner: Runner, request: RunRequest) -> Instance:
        """Start it; `finish` stops it if the test did not get that far."""
        instance = runner.start(request, self.tools)
        self.started.append((runner, instance))
        return instance

    def finish(self) -> None:
        """Leave nothing running."""
        self.cancelled.clear()
        for runner, instance in self.started:
            runner.stop(instance, self.tools, grace=0.1)
        self.shop.processes.kill_children(grace=0.5)

    def answers(self, instance: Instance, port: str = "8080/tcp") -> bool:
        """Whether it listens within five seconds."""
        number = instance.ports[port]
        return self.tools.wait_until(lambda: self.tools.connects("127.0.0.1", number), timeout=5.0)

    def ended(self, runner: Runner, instance: Instance) -> bool:
        """Whether it ends within five seconds."""
        return self.tools.wait_until(lambda: runner.status(instance, self.tools).state != "running", timeout=5.0)
