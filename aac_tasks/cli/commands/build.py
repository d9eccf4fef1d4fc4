"""`agent build`: run the step ``image`` and what it needs."""

from __future__ import annotations

from aac_tasks.cli.declare import Command, Flag
from aac_tasks.cli.flags import AGENTS, NO_CACHE, WORK_ON_MANY
from aac_tasks.cli.stepping import run_kind
from aac_tasks.cli.world import Arguments, World

CHECK = Flag(("--check",), "say whether agent.yaml, Dockerfile and builder allow a build, and build nothing")


def handle(args: Arguments, world: World) -> int:
    """Run it, or only look whether it could be run."""
    if args.check:
        from aac_tasks.cli.checking import check  # lazy: a build needs none of it

        return check(args, world)
    return run_kind("image", args, world)


COMMAND = Command(
    name="build",
    summary="build the image of each agent",
    description="Locks what is not locked, renders the Dockerfile, builds; what is up to date stays.",
    handle=handle,
    arguments=(AGENTS,),
    flags=(CHECK, NO_CACHE, *WORK_ON_MANY),
    examples=(
        "agent build",
        "agent build hello --platform linux/arm64",
        "agent build hello --platform linux/amd64 --platform linux/arm64",
        "agent build hello --no-cache",
        "agent build --check",
        "agent build -n 4 'team-*'",
    ),
)
