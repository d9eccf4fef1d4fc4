"""`agent load`: an image from a file."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import JSON, PLACE, folder
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.errors import UsageError

INPUT = Flag(("-i", "--input"), "read it from here", "FILE", default="")


def handle(args: Arguments, world: World) -> int:
    """Every blob is verified before anything gets a name."""
    file = (folder(args, world) / args.input).absolute()
    if not args.input or not file.is_file():
        raise UsageError(f"agent load: {args.input}: no such file" if args.input else "agent load: say what with -i FILE")
    with looking(args, world) as session:
        one = world.images(session).load(file, args.name or "")
    if args.json:
        show.document(world, {"digest": str(one.digest), "names": list(one.names)})
    else:
        show.line(world, f"loaded {', '.join(one.names)} ({one.digest})")
    return 0


COMMAND = Command(
    name="load",
    summary="bring an agent's image from a tar file",
    description="Reads what `agent save`, `docker save`, `podman save` and skopeo write, gzipped or not, with all platforms.",
    handle=handle,
    arguments=(Argument("NAME", "a name for it, instead of those in the file", "maybe"),),
    flags=(INPUT, JSON, *PLACE),
    examples=("agent load -i hello.tar",),
)
