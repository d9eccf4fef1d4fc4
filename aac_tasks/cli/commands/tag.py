"""`agent tag`: another name for an image."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import JSON, PLACE
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World


def handle(args: Arguments, world: World) -> int:
    """Name it, in this workspace."""
    with looking(args, world) as session:
        one = world.images(session).tag(args.image, args.name)
    if args.json:
        show.document(world, {"digest": str(one.digest), "names": list(one.names)})
    else:
        show.line(world, f"{one.names[-1]} is {one.digest}")
    return 0


COMMAND = Command(
    name="tag",
    summary="give an image another local name",
    handle=handle,
    arguments=(Argument("IMAGE", "an agent, a name or a digest"), Argument("NAME", "the new name; tag latest where it has none")),
    flags=(JSON, *PLACE),
    examples=("agent tag hello hello:stable",),
)
