"""Images that a Docker engine made for us: brought into the store, then taken away from it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.oci.docker_load import inspect
from aac_plugins.oci.engine_images import import_image
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_plugins.builders.stages import Work
    from aac_plugins.oci.docker_api import Engine
    from aac_tasks.contracts.image import Layer
    from aac_tasks.contracts.roles import BaseImage
    from aac_tasks.contracts.tools import Tools

SAVE_SECONDS = "600"


def taken(engine: Engine, name: str, known: Sequence[Layer], work: Work, tools: Tools) -> BaseImage:
    """The image that the engine has under ``name``, brought into the store."""
    shown = inspect(engine, name, tools)
    if not shown:
        raise StepError(f"{work.what}: the engine built it and does not have it")

    def save(archive: Path) -> None:
        with engine.open(tools, "GET", f"/images/{name}/get", timeout=SAVE_SECONDS) as response, archive.open("wb") as file:
            for piece in response.stream():
                file.write(piece)

    return import_image(shown, known, save, "dockerfile" if work.own else "commands", tools)


def forget(engine: Engine, name: str, tools: Tools) -> None:
    """Take an image of ours away; what cleans up must not hide what went wrong."""
    with suppress(StepError):
        engine.call(tools, "DELETE", f"/images/{name}")
