"""`agent version`: what is installed."""

from __future__ import annotations

import importlib.metadata
import platform

import aac_tasks
from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import HELP, JSON
from aac_tasks.cli.world import Arguments, World

API_VERSION = "agent.dev/v1"


def handle(args: Arguments, world: World) -> int:
    """Say it."""
    if args.json:
        show.document(
            world,
            {
                "version": aac_tasks.__version__,
                "apiVersion": API_VERSION,
                "python": platform.python_version(),
                "doit": installed("doit"),
                "platform": f"{platform.system().lower()}/{platform.machine()}",
            },
        )
    else:
        show.line(world, f"agent {aac_tasks.__version__} ({API_VERSION}, Python {platform.python_version()})")
    return 0


def installed(distribution: str) -> str:
    """A distribution's version, empty when it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


COMMAND = Command(name="version", summary="show the version", handle=handle, flags=(JSON, HELP))
