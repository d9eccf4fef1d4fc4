"""`agent push`: run the step ``push`` and what it needs."""

from __future__ import annotations

from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import AGENTS, WORK
from aac_tasks.cli.stepping import run_kind
from aac_tasks.cli.world import Arguments, World


def handle(args: Arguments, world: World) -> int:
    """Run it."""
    return run_kind("push", args, world)


COMMAND = Command(
    name="push",
    summary="push each tested image to its registry",
    description="Sends only what the registry lacks, and reads the digest back.",
    handle=handle,
    arguments=(AGENTS,),
    flags=WORK,
    examples=("agent push hello",),
)
