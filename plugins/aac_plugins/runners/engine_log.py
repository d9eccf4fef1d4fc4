"""The log of a container, copied to the file of its instance where nothing follows it."""

from __future__ import annotations

import os
from pathlib import Path

from aac_plugins.oci.docker_api import STDERR, STDOUT, Engine, frames
from aac_plugins.runners.records import text_of
from aac_tasks.contracts.running import Instance
from aac_tasks.contracts.tools import Tools

LINES = "10000"
"""How many of the last ones."""


def copy_log(engine: Engine, instance: Instance, tools: Tools) -> None:
    """In place of what its files had, for the user only: both streams into the one that there is, or each into its own."""
    path = f"/containers/{text_of(instance, 'container')}/logs"
    with engine.open(tools, "GET", path, stdout="1", stderr="1", tail=LINES) as response:
        data = response.read()
    logs = logs_of(instance)
    for log, streams in zip(logs, ((STDOUT,), (STDERR,)) if len(logs) > 1 else ((STDOUT, STDERR),), strict=True):
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(frames(data, streams))


def logs_of(instance: Instance) -> tuple[Path, ...]:
    """Its log, or the files of stdout and stderr. (An instance of an earlier version names one log.)"""
    several = instance.handle.get("logs")
    return tuple(Path(str(log)) for log in several) if isinstance(several, list) else (Path(text_of(instance, "log")),)
