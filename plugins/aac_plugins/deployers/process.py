"""Deployer ``process``: the agent runs on this machine, in the background, with the runner that tests use.

Two slots, ``a`` and ``b``, each a folder with an instance and its record. A deploy starts the new one in the free slot,
waits until it is well, and then stops the old one: so there is always one that answers. When the port is fixed and the
old one has it, or the runner has no network of its own and the agent does not look at ``PORT``, the old one must go
first; if the new one does not become well then, the old image is started again and the error says so.

A slot's record is written before anything starts there and removed after it was stopped. So a deploy that was killed
half-way leaves no stranger: the next one stops whatever the records name, except what runs rightly.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.result import Artifact
from aac_tasks.contracts.running import (
    Deployed,
    Deployer,
    DeployRequest,
    Instance,
    Runner,
    Runners,
    RunRequest,
    Status,
)
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

SLOTS = ("a", "b")
RECORD = "deployed.json"
LOGS_KEPT = 3
"""Logs of earlier deploys that are kept beside the present one."""


@dataclass(frozen=True)
class Slot:
    """A place for one instance, below the agent's state folder."""

    folder: Path
    name: str

    @property
    def record(self) -> Path:
        """What runs, or was about to."""
        return self.folder / RECORD

    @property
    def state(self) -> Path:
        """The instance's own folder."""
        return self.folder / "instance"


@dataclass(frozen=True)
class Live:
    """An instance in its slot, and all that is needed to start it again, except its environment.

    ``well``: it answered its health check; until then it is only about to be what is deployed. ``started``: ISO 8601, UTC.
    """

    slot: str
    instance: Instance
    spec: InstanceSpec
    image: StoredImage
    config: ImageConfig
    url: str = ""
    well: bool = False
    started: str = ""


class MovedError(StepError):
    """The new instance was told to use another port, and did not become well: it may not look at PORT."""


class ProcessDeployer:
    """See the module."""

    name = "process"
    format = 1
    pulls = False
    settings_schema: JsonObject | None = None

    def deploy(self, request: DeployRequest, tools: Tools) -> Deployed:
        """Exactly one instance runs afterwards: the new one, or what ran before and then a StepError is raised."""
        if request.runner is None:
            raise StepError("target process needs a runner on this machine", hint="see `agent doctor`")
        if request.action.replicas > 1:
            tools.note(f"target process runs one instance; {request.action.replicas} were asked for")
        old = self._running(request, tools)
        self._stop_strangers(old, request, tools)
        slot = _slot(tools, "b" if old is not None and old.slot == "a" else "a")
        new = _new(slot, request, request.runner)
        if old is not None and _in_the_way(old, request.action.instance):
            live = self._swap_in_place(old, new, request, tools)
        else:
            live = self._swap(old, new, request, tools)
        return Deployed(live.url, encode_live(live), (_artifact(live),))

    def status(self, data: JsonObject, tools: Tools, runners: Runners) -> Status:
        """What the runner that started it says; of a deploy that was killed, what runs of it."""
        known = decode_live(data)
        lives = (*([known] if known else []), *self._recorded(tools))
        said = [_status(live, runners, tools) for live in lives]
        return next((status for status in said if status.state == "running"), said[0] if said else Status("gone"))

    def logs(self, data: JsonObject, tools: Tools, runners: Runners) -> IO[bytes]:
        """The present log; reading on at its end gives what came meanwhile."""
        live = decode_live(data) or next(iter(self._recorded(tools)), None)
        if live is None:
            raise StepError("nothing is deployed here")
        log = _log(tools, live.spec.name)
        if not log.exists():  # a deploy was killed that was about to begin a new one: what runs writes to the one before
            log = log.with_name(f"{log.name}.1")
        try:
            return log.open("rb")
        except OSError as error:
            raise StepError(f"log {log} can't be read: {error.strerror}") from error

    def remove(self, data: JsonObject, tools: Tools, runners: Runners) -> None:
        """Stop it; its log stays."""
        known = decode_live(data)
        for live in (*self._recorded(tools), *([known] if known else [])):
            self._stop(live, runners, tools)

    # -- one slot -----------------------------------------------------------------------------------------------

    def _start(self, live: Live, request: DeployRequest, tools: Tools) -> Live:
        """Start and wait until it is well; nothing of it is left when that fails."""
        slot, log = _slot(tools, live.slot), _log(tools, live.spec.name)
        runner = request.runners(live.instance.runner)
        slot.state.mkdir(parents=True, exist_ok=True)
        _rotate(log)
        live = replace(live, url="", well=False)
        _write(slot.record, live)
        try:
            env = request.resolve_env(live.spec)
            run = RunRequest(live.image, live.config, live.spec, env, slot.state, log, detach=True)
            live = replace(live, instance=runner.start(run, tools), started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            _write(slot.record, live)
            request.wait_until_well(live.instance, log)
        except BaseException as error:
            runner.stop(live.instance, tools, grace=2.0)
            slot.record.unlink(missing_ok=True)
            if isinstance(error, StepError) and live.instance.handle.get("moved"):
                raise MovedError(error.message, tail=error.tail, hint=error.hint) from error
            raise
        live = replace(live, url=live.instance.url, well=True)
        _write(slot.record, live)
        return live

    def _stop(self, live: Live, runners: Runners, tools: Tools) -> None:
        runners(live.instance.runner).stop(live.instance, tools)
        slot = _slot(tools, live.slot)
        if slot.record.exists():
            slot.record.unlink()

    def _swap(self, old: Live | None, new: Live, request: DeployRequest, tools: Tools) -> Live:
        """Side by side for a moment, so that one always answers."""
        try:
            live = self._start(new, request, tools)
        except MovedError:
            if old is None:
                raise
            tools.note(f"{new.spec.name} does not take another port; what runs is stopped first")
            return self._swap_in_place(old, new, request, tools)
        if old is not None:
            self._stop(old, request.runners, tools)
        return live

    def _swap_in_place(self, old: Live, new: Live, request: DeployRequest, tools: Tools) -> Live:
        """The port can't be shared: stop, start, and when that fails start the old one again."""
        self._stop(old, request.runners, tools)
        try:
            return self._start(new, request, tools)
        except StepError as error:
            again = self._bring_back(old, request, tools)
            raise StepError(f"{error.message}; {again}", tail=error.tail, hint=error.hint) from error

    def _bring_back(self, old: Live, request: DeployRequest, tools: Tools) -> str:
        try:
            self._start(old, request, tools)
        except StepError as error:
            return f"what ran before ({old.image.manifest.digest.short}) could not be started again: {error.message}"
        return f"what ran before ({old.image.manifest.digest.short}) runs again"

    # -- what is there ------------------------------------------------------------------------------------------

    def _recorded(self, tools: Tools) -> list[Live]:
        return [live for name in SLOTS if (live := _read(_slot(tools, name).record)) is not None]

    def _running(self, request: DeployRequest, tools: Tools) -> Live | None:
        """What was deployed last time and still runs; a deploy that was killed may have started a newer one."""
        running = [x for x in self._recorded(tools) if x.well and _is_running(x, request.runners, tools)]
        known = decode_live(request.previous)
        said = [live for live in running if known is not None and live.slot == known.slot]
        return next(iter(said or running), None)

    def _stop_strangers(self, right: Live | None, request: DeployRequest, tools: Tools) -> None:
        for live in self._recorded(tools):
            if right is None or live.slot != right.slot:
                self._stop(live, request.runners, tools)


def _new(slot: Slot, request: DeployRequest, runner: Runner) -> Live:
    """What is about to start: until then its instance names runner and folder only."""
    spec = request.action.instance
    instance = Instance(runner.name, spec.name, request.image.manifest.digest, handle={"state": str(slot.state)})
    return Live(slot.name, instance, spec, request.image, request.config)


def _in_the_way(old: Live, new: InstanceSpec) -> bool:
    """Whether a port that the new one must have is the old one's."""
    taken = set(old.instance.ports.values())
    return any(mapping.host in taken for mapping in new.ports if mapping.host)


def _is_running(live: Live, runners: Runners, tools: Tools) -> bool:
    return _status(live, runners, tools).state == "running"


def _status(live: Live, runners: Runners, tools: Tools) -> Status:
    """An engine knows when it started something; of a process it was written down."""
    now = runners(live.instance.runner).status(live.instance, tools)
    return replace(now, started=now.started or live.started)


def _artifact(live: Live) -> Artifact:
    data = encode(live.instance)
    return Artifact("instance", live.spec.name, data=data if isinstance(data, dict) else {})


def _slot(tools: Tools, name: str) -> Slot:
    return Slot(tools.state / "process" / name, name)


def _log(tools: Tools, name: str) -> Path:
    return tools.state / "logs" / f"{name}.log"


def _rotate(log: Path) -> None:
    """``x.log`` → ``x.log.1`` → … as logrotate names them; nothing where a deploy that was killed has done it already."""
    if not log.exists():
        return
    for number in range(LOGS_KEPT, 0, -1):
        source = log if number == 1 else log.with_name(f"{log.name}.{number - 1}")
        if source.exists():
            source.replace(log.with_name(f"{log.name}.{number}"))


def encode_live(live: Live) -> dict[str, Json]:
    """JSON for records and results; holds no secret: the environment is resolved anew for every start."""
    value = encode(live)
    return dict(value) if isinstance(value, Mapping) else {}


def decode_live(data: Json) -> Live | None:
    """What `encode_live` wrote; None for anything else."""
    if not isinstance(data, Mapping) or "instance" not in data:
        return None
    with contextlib.suppress(ValueError, TypeError):
        return decode(Live, data)
    return None


def _write(record: Path, live: Live) -> None:
    temporary = record.with_suffix(".new")
    temporary.write_text(json.dumps(encode_live(live)))
    temporary.replace(record)


def _read(record: Path) -> Live | None:
    try:
        return decode_live(json.loads(record.read_text()))
    except (OSError, ValueError):
        return None


@hookimpl
def aac_register_deployers() -> tuple[Deployer, ...]:
    """One deployer."""
    return (ProcessDeployer(),)
