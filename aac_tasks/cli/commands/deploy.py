"""`agent deploy`: run the step ``deploy`` and what it needs."""

from __future__ import annotations

from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import AGENTS, WORK_ON_MANY
from aac_tasks.cli.stepping import run_kind
from aac_tasks.cli.world import Arguments, World


def handle(args: Arguments, world: World) -> int:
    """Run it."""
    return run_kind("deploy", args, world)


COMMAND = Command(
    name="deploy",
    summary="make the target of each agent run its image",
    description="When the new image does not become well, what ran before still runs.",
    handle=handle,
    arguments=(AGENTS,),
    flags=WORK_ON_MANY,
    examples=(
        "agent deploy hello --profile prod",
        "agent deploy --dry-run",
    ),
)
