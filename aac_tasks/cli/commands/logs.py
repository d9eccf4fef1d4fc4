"""`agent logs`: what a running agent wrote."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.commands.stop import one_named
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import PLACE, count
from aac_tasks.cli.log_lines import Moment, Part, follow, read, since_moment, tail, timeless
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World

FOLLOW = Flag(("-f", "--follow"), "go on until it ends")
TAIL = Flag(("--tail",), "only the last N lines", "N", count)
SINCE = Flag(
    ("--since",),
    "only what is newer than 10m, 2h, or 2026-01-31T12:00Z, by the times that lines begin with",
    "TIME",
    Moment,
)


def handle(args: Arguments, world: World) -> int:
    """Print, and perhaps go on printing."""
    with looking(args, world) as session:
        instances = world.instances(session)
        name = one_named(args.name, instances.all(), "logs shows one log")
        if args.follow:
            return follow(instances, name, world, Part(args.tail, args.since)) or 0
        for line in tail(since_moment(read(instances, name), args.since, lambda: timeless(world)), args.tail):
            show.line(world, line)
    return 0


COMMAND = Command(
    name="logs",
    summary="show what a running agent wrote",
    handle=handle,
    arguments=(Argument("NAME", "a name that `agent ps` lists, or an agent's"),),
    flags=(FOLLOW, TAIL, SINCE, *PLACE),
    examples=("agent logs hello", "agent logs -f --tail 20 hello", "agent logs hello --since 10m"),
)
