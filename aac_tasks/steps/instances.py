"""What `agent run` started: one record per instance, found again after a crash or tomorrow."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aac_tasks.catalog import Table
from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.roles import Instance, Runner, RunRequest, Status
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

FOLDER = "run"
RECORD = "instance.json"


@dataclass(frozen=True)
class Running:
    """One instance that `agent run` started. ``started``: ISO 8601, UTC; ``folder``: record and log."""

    agent: str
    instance: Instance
    started: str
    folder: Path

    @property
    def log(self) -> Path:
        """Its stdout and stderr."""
        return self.folder / "log"


@dataclass(frozen=True)
class Start:
    """An image and how to run it; ``env`` holds resolved values, secrets included."""

    agent: str
    image: StoredImage
    config: ImageConfig
    instance: InstanceSpec
    env: Mapping[str, str]


def start(request: Start, runner: Runner, runners: Table[Runner], tools: Tools) -> Running:
    """Start it in the background and keep its record.

    Raises:
        StepError: one of that name runs already, or it can't be started (nothing is left behind).
    """
    name = f"{request.agent}-run"
    folder = tools.state / FOLDER / name
    before = _read(folder)
    if before is not None and status(before, runners, tools).state == "running":
        raise StepError(
            f"{name} runs already",
            hint=f"`agent stop {name}` ends it, `agent logs {name}` shows what it says",
        )
    shutil.rmtree(folder, ignore_errors=True)  # what an ended one left
    place = folder / "state"
    place.mkdir(parents=True, exist_ok=True)
    instance = runner.start(
        RunRequest(
            image=request.image,
            config=request.config,
            instance=replace(request.instance, name=name),
            env=request.env,
            state=place,
            log=folder / "log",
            detach=True,
        ),
        tools,
    )
    running = Running(request.agent, instance, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), folder)
    record = {"agent": running.agent, "started": running.started, "instance": encode(instance)}
    _write(folder / RECORD, json.dumps(record))
    return running


def kept(state: Path) -> Iterator[Running]:
    """Every record below an agent's state folder; a torn one is as good as none."""
    for record in sorted(state.glob(f"{FOLDER}/*/{RECORD}")):
        running = _read(record.parent)
        if running is not None:
            yield running


def status(running: Running, runners: Table[Runner], tools: Tools) -> Status:
    """What it does now; ``gone`` when its runner is not installed any more."""
    if running.instance.runner not in runners:
        return Status("gone")
    return runners.get(running.instance.runner).status(running.instance, tools)


def stop(running: Running, runners: Table[Runner], tools: Tools) -> None:
    """End it and forget it; its log goes too."""
    runners.get(running.instance.runner).stop(running.instance, tools)
    (running.folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(running.folder, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _read(folder: Path) -> Running | None:
    try:
        record = json.loads((folder / RECORD).read_bytes())
        return Running(record["agent"], decode(Instance, record["instance"]), record["started"], folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None
