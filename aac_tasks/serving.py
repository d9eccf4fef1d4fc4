"""One instance of an agent that somebody works on: what it is started from, and the wait until it is well."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.image import StoredImage
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.running import Runner
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.session import Session
from aac_tasks.steps.environment import secrets_of
from aac_tasks.steps.health import Watch, wait_until_well
from aac_tasks.steps.instances import Running, Start, start


@dataclass(frozen=True)
class Wanted:
    """What is to serve, and the run whose tools know it. ``values`` hold secrets: never shown."""

    agent: str
    session: Session
    image: StoredImage
    asked: InstanceSpec
    values: Mapping[str, str] = field(repr=False)

    @property
    def runner(self) -> Runner:
        """That of the run."""
        return self.session.hands.runner

    @property
    def tools(self) -> Tools:
        """Those of the run, for this agent."""
        return self.session.hands.tools("", self.agent)

    def request(self, spec: InstanceSpec) -> Start:
        """To be run as ``spec`` says."""
        with self.tools.blobs.open(self.image.config.digest) as file:
            config = config_from_oci(json.load(file))
        return Start(self.agent, self.image, config, spec, self.values)


@dataclass(frozen=True)
class Serving:
    """What serves, and what it was started from. ``secrets`` are never shown."""

    running: Running
    wanted: Wanted
    secrets: tuple[str, ...] = field(repr=False)

    def wait(self, told: int = 0) -> None:
        """Until it is well; who is not loses its log, so that nothing points there. Its first ``told`` bytes are older."""
        running, wanted = self.running, self.wanted
        try:
            watch = Watch(wanted.runner, running.instance, running.spec.probe, running.log, self.secrets, told=told)
            wait_until_well(watch, wanted.tools)
        except StepError as error:
            raise StepError(error.message, tail=error.tail, hint=error.hint.partition("; log: ")[0]) from error


class MovedError(StepError):
    """It was told another port than its own, and did not become well: it may not look at PORT."""


def serve(wanted: Wanted, request: Start, end: Callable[[Running], None]) -> Serving:
    """Start it and wait until it is well; who is not is ended.

    Raises:
        StepError: it can't be started, or is not well. MovedError: so, and it had to take another port than its own.
    """
    running = start(request, wanted.runner, wanted.session.catalog.runners, wanted.tools)
    serving = Serving(running, wanted, secrets_of(request.instance, wanted.values))
    try:
        serving.wait()
    except BaseException as error:
        end(running)
        if isinstance(error, StepError) and running.instance.handle.get("moved"):
            raise MovedError(error.message, tail=error.tail, hint=error.hint) from error
        raise
    return serving
