"""`agent save`: an image as a file."""

from __future__ import annotations

from typing import cast

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import JSON, OF_PLATFORM, PLACE, folder, platforms
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import Json
from aac_tasks.errors import UsageError
from aac_tasks.reporter.wording import size

OUTPUT = Flag(("-o", "--output"), "write it here", "FILE", default="")


def handle(args: Arguments, world: World) -> int:
    """Write it whole or not at all."""
    if not args.output:
        raise UsageError("agent save: say where to with -o FILE")
    file = (folder(args, world) / args.output).absolute()
    with looking(args, world) as session:
        saved = world.images(session).save(args.image, file, platforms(args))
    if args.json:
        show.document(world, saved)
    else:
        total = saved["size"]
        show.line(world, f"saved {saved['name']} to {args.output} ({size(total) if isinstance(total, int) else '?'})")
        holds, left = (", ".join(map(str, cast("list[Json]", saved[key]))) for key in ("platforms", "left_out"))
        if left or "," in holds:
            show.line(world, f"it holds {holds}{f'; without --platform also {left}' if left else ''}")
    return 0


COMMAND = Command(
    name="save",
    summary="write an image into a tar file",
    description=(
        "The file is an OCI layout and a Docker archive in one: `docker load`, `podman load` and skopeo read it. It holds all "
        "platforms of the image, or the one that --platform says. In an agent's own folder it is none of its image's files."
    ),
    handle=handle,
    arguments=(Argument("IMAGE", "an agent, a name or a digest"),),
    flags=(OUTPUT, OF_PLATFORM, JSON, *PLACE),
    examples=("agent save hello -o hello.tar",),
)
