"""`agent push`: run the step ``push`` and what it needs."""

from __future__ import annotations

from aac_tasks.cli.declare import Command, Flag
from aac_tasks.cli.flags import AGENTS, WORK_ON_MANY
from aac_tasks.cli.stepping import run_kind
from aac_tasks.cli.world import Arguments, World

ALL_TAGS = Flag(("--all-tags",), "push under every name: image.tags, the version, and `latest`")


def handle(args: Arguments, world: World) -> int:
    """Run it."""
    return run_kind("push", args, world)


COMMAND = Command(
    name="push",
    summary="push each tested image to its registry",
    description="Sends only what the registry lacks, and reads the digest back.",
    handle=handle,
    arguments=(AGENTS,),
    flags=(ALL_TAGS, *WORK_ON_MANY),
    examples=("agent push hello", "agent push hello --all-tags"),
)
