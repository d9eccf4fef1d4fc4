"""`agent rmi`: remove images."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import JSON, PLACE
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import Json
from aac_tasks.errors import StepError, UsageError
from aac_tasks.reporter.wording import digest, size

FORCE = Flag(("-f", "--force"), "also one that something runs from, here or in an engine")


def handle(args: Arguments, world: World) -> int:
    """Take names away; an image goes with its last one."""
    if not args.image:
        raise UsageError("agent rmi: say which IMAGE, by its name or digest; `agent images` lists them")
    removed: list[Json] = []
    with looking(args, world) as session:
        images, running = world.images(session), world.instances(session).all()
        for word in args.image:
            digests = images.find(word).digests
            users = [str(one["name"]) for one in running if one.get("image") in digests and one.get("state") == "running"]
            if users and not args.force:
                raise StepError(f"{word} is what {users[0]} runs from", hint=f"`agent stop {users[0]}`, or say --force")
            one, freed, engines = images.remove(word, force=args.force)
            there: list[Json] = [{"engine": kept.engine, "name": kept.name} for kept in engines]
            removed.append({"digest": str(one.digest), "names": list(one.names), "freed": freed, "engines": there})
            if not args.json:
                what = f"removed {word}" if freed else f"took the name {word} away"
                from_engines = "".join(f"\nremoved {digest(kept.name)} from {kept.engine}" for kept in engines)
                show.line(world, f"{what}, {size(freed)} freed; what other images share stays{from_engines}")
    if args.json:
        show.document(world, {"removed": removed})
    return 0


COMMAND = Command(
    name="rmi",
    summary="remove images; what other images share stays",
    description=(
        "An image that has other names loses only the one that is given. Docker and podman lose it too, where they have this "
        "very image under such a name. A later build makes it again. What another workspace of yours holds stays."
    ),
    handle=handle,
    arguments=(Argument("IMAGE", "an agent, a name or a digest", "many"),),
    flags=(FORCE, JSON, *PLACE),
    examples=("agent rmi hello:stable", "agent rmi 0123456789ab"),
)
