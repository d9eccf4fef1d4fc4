"""The log of a container, copied to the file of its instance where nothing follows it."""

from __future__ import annotations

import os
from pathlib import Path

from aac_plugins.oci.docker_api import Engine, frames
from aac_plugins.runners.records import text_of
from aac_tasks.contracts.running import Instance
from aac_tasks.contracts.tools import Tools

LINES = "10000"
"""How many of the last ones."""


def copy_log(engine: Engine, instance: Instance, tools: Tools) -> None:
    """In place of what the file had, for the user only."""
    path = f"/containers/{text_of(instance, 'container')}/logs"
    with engine.open(tools, "GET", path, stdout="1", stderr="1", tail=LINES) as response:
        text = frames(response.read())
    log = Path(text_of(instance, "log"))
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
