"""`agent lock`: write agent.lock, move the builder, or take newer versions."""

from __future__ import annotations

import dataclasses

from aac_tasks.cli.declare import Command, Flag
from aac_tasks.cli.flags import AGENTS, LOCKED, WORK_ON_MANY, options
from aac_tasks.cli.stepping import run_kind
from aac_tasks.cli.world import Arguments, World

UPDATE = Flag(("--update",), "resolve again, to the newest versions that the agent.yaml allows")


def handle(args: Arguments, world: World) -> int:
    """Run the lock step; saying `agent lock` allows the change, in CI too."""
    chosen = dataclasses.replace(options(args, world), locked=False, update=args.update)
    return run_kind("lock", args, world, chosen)


COMMAND = Command(
    name="lock",
    summary="pin base, dependencies and builder in agent.lock",
    description=(
        "Without flags, agent.lock is written where it is missing or answers an older agent.yaml. "
        "--builder moves an agent to another builder; nothing else does."
    ),
    handle=handle,
    arguments=(AGENTS,),
    flags=(UPDATE, *(flag for flag in WORK_ON_MANY if flag is not LOCKED)),
    examples=("agent lock", "agent lock hello --builder docker", "agent lock --update"),
)
