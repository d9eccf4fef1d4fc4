"""`agent test`: run the step ``test`` and what it needs."""

from __future__ import annotations

from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import AGENTS, WORK_ON_MANY
from aac_tasks.cli.stepping import run_kind
from aac_tasks.cli.world import Arguments, World


def handle(args: Arguments, world: World) -> int:
    """Run it."""
    return run_kind("test", args, world)


COMMAND = Command(
    name="test",
    summary="start each image, wait until it is well, and run its checks",
    description="Builds before, where needed. The result names the runner and how it isolates.",
    handle=handle,
    arguments=(AGENTS,),
    flags=WORK_ON_MANY,
    examples=(
        "agent test",
        "agent test hello --runner crun",
    ),
)
