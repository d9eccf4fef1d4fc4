"""What `agent run` started: one record per instance, found again after a crash or tomorrow."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from aac_tasks.catalog import Table
from aac_tasks.contracts.actions import InstanceSpec, Isolation
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.running import Changes, Instance, Reloading, Runner, RunRequest, Status
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.foreign import cant_run, ended_refused, is_refused

FOLDER, STATE = "run", "state"
"""Below an agent's state, one folder for each instance; and in it what belongs to its runner."""

RECORD, LOG, ERRORS = "instance.json", "log", "errors"

RELOAD_GRACE = 0.5
"""Seconds that an agent gets to end before its files change: somebody waits, and nothing serves meanwhile."""


@dataclass(frozen=True)
class Running:
    """One instance that `agent run` started. ``started``: ISO 8601, UTC; ``folder``: record and log.

    ``image`` and ``spec`` are what starts it again; no value of a secret or of a file of variables is among them.
    """

    agent: str
    instance: Instance
    started: str
    image: StoredImage
    spec: InstanceSpec
    folder: Path

    @property
    def log(self) -> Path:
        """Its stdout and stderr, or its stdout where it has `errors`."""
        return self.folder / LOG

    @property
    def errors(self) -> Path:
        """Its stderr, where that was to be told apart; elsewhere there is no such file."""
        return self.folder / ERRORS

    def streams(self) -> tuple[IO[bytes], ...]:
        """What it said so far, stdout and stderr together, or each of them; reading on gives what came meanwhile.

        Raises:
            StepError: a file can't be read.
        """
        try:
            return tuple(file.open("rb") for file in (self.log, self.errors) if file == self.log or file.exists())
        except OSError as error:
            raise StepError(f"the log of {self.instance.name} can't be read: {error.strerror or error}") from error


class Both(io.RawIOBase):
    """Several files read as one."""

    def __init__(self, files: Sequence[IO[bytes]]) -> None:
        self._files = files

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Of the first that has more; 0 when none has."""
        for file in self._files:
            data = file.read(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0

    def close(self) -> None:
        """All of them."""
        for file in self._files:
            file.close()
        super().close()


@dataclass(frozen=True)
class Start:
    """An image and how to run it; ``env`` holds resolved values, secrets included. ``instance.name`` is its own.

    ``again``: it was there before, and its log goes on. ``place`` is what its runner made ahead for it (`Places`), ``changes``
    what leads from the image there to this one. ``apart``: its stderr gets a file of its own.
    """

    agent: str
    image: StoredImage
    config: ImageConfig
    instance: InstanceSpec
    env: Mapping[str, str]
    interactive: bool = False
    terminal: bool = False
    again: bool = False
    place: JsonObject = field(default_factory=dict)
    changes: Changes | None = None
    apart: bool = False


def start(request: Start, runner: Runner, runners: Table[Runner], tools: Tools) -> Running:
    """Start it in the background and keep its record.

    The record is written before anything is started: who is killed meanwhile leaves no stranger.

    Raises:
        StepError: one of that name runs already, or it can't be started (nothing is left behind).
    """
    name = request.instance.name
    folder = tools.state / FOLDER / name
    _make_room(folder, name, runners, tools)
    if not request.again:
        shutil.rmtree(folder, ignore_errors=True)  # what an ended one left
    asked = run_request(request, folder)
    asked.state.mkdir(parents=True, exist_ok=True)
    if asked.errors:
        asked.errors.touch(mode=0o600)  # its being there says that the streams are told apart
    about = Instance(runner.name, name, request.image.manifest.digest, handle={"state": str(asked.state)})
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    running = Running(request.agent, about, now, request.image, request.instance, folder)
    _write(running)
    try:
        instance = runner.start(asked, tools)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if is_refused(asked, str(error)):
            raise cant_run(name, request.image.platform) from error
        raise
    running = Running(request.agent, instance, now, request.image, request.instance, folder)
    _write(running)
    if ended_refused(asked, instance, runner, tools):
        stop(running, runners, tools)
        raise cant_run(name, request.image.platform)
    return running


def reload(running: Running, request: Start, changes: Changes, runner: Reloading, tools: Tools) -> Running:
    """Give it the files of another image and start its agent anew in it; its record then names that image.

    Raises:
        StepError: it is neither the one nor the other now, and has to be stopped.
    """
    asked = run_request(request, running.folder)
    instance = runner.reload(running.instance, asked, changes, tools, grace=RELOAD_GRACE)
    running = replace(running, instance=instance, image=request.image)
    _write(running)
    return running


def _make_room(folder: Path, name: str, runners: Table[Runner], tools: Tools) -> None:
    before = _read(folder)
    if before is None:
        return
    if status(before, runners, tools).state == "running":
        raise StepError(
            f"{name} runs already",
            hint=f"`agent stop {name}` ends it, `agent logs {name}` shows what it says, --name gives this one another name",
        )
    if before.instance.runner in runners:  # an engine may still have what ended
        runners.get(before.instance.runner).stop(before.instance, tools)


def run_request(request: Start, folder: Path) -> RunRequest:
    """What a runner is asked for an instance that has that folder. StepError when it would be root, and must not."""
    refuse_root(request.instance.isolation, request.config)
    return RunRequest(
        image=request.image,
        config=request.config,
        instance=request.instance,
        env=request.env,
        state=folder / STATE,
        log=folder / LOG,
        errors=folder / ERRORS if request.apart else None,
        detach=True,
        interactive=request.interactive,
        terminal=request.terminal,
        place=request.place,
        changes=request.changes,
    )


def refuse_root(isolation: Isolation, config: ImageConfig) -> None:
    """StepError when an instance would be root, and must not."""
    user = isolation.user or config.user
    if isolation.non_root and user.partition(":")[0] in ("", "0", "root"):
        what = f"the image runs as {user or 'root'}, and spec.security.runAsNonRoot is true"
        hint = "name another user: USER in the Dockerfile, or spec.security.runAsUser"
        raise StepError(what, hint=hint, places={"spec.security.runAsNonRoot": what})


def kept(state: Path) -> Iterator[Running]:
    """Every record below an agent's state folder; a torn one is as good as none."""
    for record in sorted(state.glob(f"{FOLDER}/*/{RECORD}")):
        running = _read(record.parent)
        if running is not None:
            yield running


def status(running: Running, runners: Table[Runner], tools: Tools) -> Status:
    """What it does now; ``gone`` when its runner is not installed any more."""
    instance = running.instance
    if instance.runner not in runners:
        return Status("gone")
    if list(instance.handle) == ["state"]:
        return Status("unknown: its start was cut short")
    return runners.get(instance.runner).status(instance, tools)


def stop(running: Running, runners: Table[Runner], tools: Tools, *, grace: float = 10.0) -> None:
    """End it and forget it; its log goes too."""
    runners.get(running.instance.runner).stop(running.instance, tools, grace=grace)
    (running.folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(running.folder, ignore_errors=True)


def _write(running: Running) -> None:
    """For the user only: variables of the command line may be secrets although nobody says so."""
    record: JsonObject = {
        "agent": running.agent,
        "started": running.started,
        "instance": encode(running.instance),
        "image": encode(running.image),
        "spec": encode(running.spec),
    }
    temporary = running.folder / "instance.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(record, file)
    temporary.replace(running.folder / RECORD)


def _read(folder: Path) -> Running | None:
    try:
        record = json.loads((folder / RECORD).read_bytes())
        instance, image = decode(Instance, record["instance"]), decode(StoredImage, record["image"])
        return Running(record["agent"], instance, record["started"], image, decode(InstanceSpec, record["spec"]), folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None
