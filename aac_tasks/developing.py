"""One agent while somebody works on it: what was built last takes over once it is well, and what served until then ends.

Each of its tcp ports is a `Front` that stays where it is, so that instances come and go behind it. Where a runner has no
network of its own and the agent does not look at ``PORT``, nothing can run beside it: it is then replaced in place, and
started again when the new one does not become well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from aac_tasks.contracts.actions import InstanceSpec, PortMapping
from aac_tasks.contracts.image import StoredImage
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.errors import AacError, StepError
from aac_tasks.plan.overrides import Overrides, overridden
from aac_tasks.running import Instances, url_of
from aac_tasks.session import Session
from aac_tasks.steps.built import image_here
from aac_tasks.steps.environment import resolve, secrets_of
from aac_tasks.steps.health import Watch, wait_until_well
from aac_tasks.steps.http.front import Front
from aac_tasks.steps.instances import Running, Start, kept, start, status, stop

GRACE = 2.0
"""Seconds that an instance gets to end: somebody waits for the next one."""

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Serving:
    """What serves, what it was started from, and the run whose tools know it. ``secrets`` are never shown."""

    running: Running
    asked: InstanceSpec
    session: Session
    secrets: tuple[str, ...]


class MovedError(StepError):
    """It was told another port than its own, and did not become well: it may not look at PORT."""


class Development:
    """``serving`` is None until something served. ``tell`` gets what a person should know.

    ``keeper`` ends what was started: rounds may be cancelled, and what they started has to end all the same.
    """

    def __init__(self, agent: str, said: Overrides, keeper: Session, tell: Callable[[str], None]) -> None:
        self.agent = agent
        self.serving: Serving | None = None
        self._keeper = keeper
        self._names = (f"{agent}-dev", f"{agent}-dev-2")
        self._said = said
        self._tell = tell
        self._fronts: dict[PortMapping, Front] = {}
        self._in_place = False

    def clear(self) -> None:
        """End what an earlier development left that was killed."""
        for running in list(kept(self._keeper.state.agent(self.agent))):
            if running.instance.name in self._names:
                self._stop(running)

    def replace(self, session: Session) -> bool:
        """Let what was built last serve; False when that is what serves already.

        Raises:
            StepError: it can't be started, or is not well: what served before still does, or does again.
        """
        outputs = session.image(self.agent)
        if outputs is None:
            raise StepError(f"{self.agent} has no image", hint=f"`agent build {self.agent}` says why")
        image = image_here(outputs)
        asked = overridden(Instances(session).instance_spec(self.agent), self._said)
        old = self.serving
        if old is not None and (old.running.image, old.asked) == (image, asked) and not self.ended():
            return False
        if not self._may_stand_behind(asked, session):
            self._replace_in_place(session, image, asked)
            return True
        self._listen(asked)
        try:
            new = self._start(session, image, asked, _anywhere(asked))
        except MovedError:
            if old is not None:  # it looks at PORT, as it served so until now
                raise
            self.close()
            self._replace_in_place(session, image, asked)
            self._in_place = True
            self._tell(f"{self.agent} does not take another port (PORT), so it is stopped before the next one starts")
            return True
        self._lead_to(new.running)
        self._end_serving()
        self.serving = new
        return True

    @property
    def url(self) -> str:
        """Where it answers, "" where it has no port."""
        fronts = [f"http://{front.address}:{front.port}" for front in self._fronts.values()]
        return fronts[0] if fronts else url_of(self.serving.running.instance) if self.serving else ""

    def ended(self) -> str:
        """How what should serve ended by itself, "" while it runs, or while nobody can tell."""
        if self.serving is None:
            return ""
        running, session = self.serving.running, self.serving.session
        try:
            now = status(running, session.catalog.runners, session.hands.tools("", self.agent))
        except AacError:
            return ""
        code = "" if now.exit_code is None else f" with exit code {now.exit_code}"
        return "" if now.state == "running" else f"{self.agent} ended{code}"

    def close(self) -> None:
        """Nothing runs and no port is taken afterwards."""
        try:
            self._end_serving()
        finally:
            for front in self._fronts.values():
                front.close()
            self._fronts.clear()

    # -- in place, or beside it ---------------------------------------------------------------------------------

    def _may_stand_behind(self, asked: InstanceSpec, session: Session) -> bool:
        """Whether every port can be a front: with the host's network only one port moves."""
        moves = session.hands.runner_choice.isolation == "engine" or len(asked.ports) < 2
        return moves and not self._in_place and all(port.protocol == "tcp" for port in asked.ports)

    def _replace_in_place(self, session: Session, image: StoredImage, asked: InstanceSpec) -> None:
        old = self.serving
        self._end_serving()
        try:
            self.serving = self._start(session, image, asked, asked)
        except StepError as error:
            if old is None or session.cancelled.is_set():
                raise
            self.serving = self._start(session, old.running.image, old.asked, old.asked)
            raise StepError(f"{error.message}; what ran before runs again", tail=error.tail, hint=error.hint) from error

    def _start(self, session: Session, image: StoredImage, asked: InstanceSpec, spec: InstanceSpec) -> Serving:
        """Start and wait until it is well; nothing of it is left when that fails."""
        taken = self.serving.running.instance.name if self.serving else ""
        spec = replace(spec, name=next(name for name in self._names if name != taken))
        tools = session.hands.tools("", self.agent)
        values = resolve(spec, tools, strict=True)
        with tools.blobs.open(image.config.digest) as file:
            config = config_from_oci(json.load(file))
        runner, runners = session.hands.runner, session.catalog.runners
        running = start(Start(self.agent, image, config, spec, values), runner, runners, tools)
        secrets = secrets_of(spec, values)
        try:
            wait_until_well(Watch(runner, running.instance, spec.probe, running.log, secrets), tools)
        except BaseException as error:
            self._stop(running)
            if not isinstance(error, StepError):
                raise
            kind = MovedError if running.instance.handle.get("moved") else StepError
            raise kind(error.message, tail=error.tail, hint=error.hint.partition("; log: ")[0]) from error  # its log is gone
        return Serving(running, asked, session, secrets)

    def _end_serving(self) -> None:
        old, self.serving = self.serving, None
        if old is not None:
            self._stop(old.running)

    def _stop(self, running: Running) -> None:
        stop(running, self._keeper.catalog.runners, self._keeper.hands.tools("", self.agent), grace=GRACE)

    # -- fronts -------------------------------------------------------------------------------------------------

    def _listen(self, asked: InstanceSpec) -> None:
        """A front for each port, those that there are already kept."""
        for gone in [port for port in self._fronts if port not in asked.ports]:
            self._fronts.pop(gone).close()
        for port in asked.ports:
            if port not in self._fronts:
                self._fronts[port] = self._front(port)

    def _front(self, port: PortMapping) -> Front:
        address = port.address or LOOPBACK
        try:
            return Front(address, port.host or port.container)
        except StepError as error:
            if port.host:
                raise StepError(error.message, hint=f"give it another one with -p HOST:{port.container}") from error
            front = Front(address, 0)
            self._tell(f"{error.message}; {front.port} is taken instead")
            return front

    def _lead_to(self, running: Running) -> None:
        for port, front in self._fronts.items():
            front.lead_to(running.instance.address, running.instance.ports[f"{port.container}/tcp"])


def _anywhere(asked: InstanceSpec) -> InstanceSpec:
    """The same on any free ports."""
    return replace(asked, ports=tuple(PortMapping(port.container, 0, port.protocol) for port in asked.ports))


