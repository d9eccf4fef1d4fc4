"""`agent ps`: what runs."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import LOOK
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.reporter.wording import digest

COLUMNS = ("name", "agent", "by", "state", "url", "image", "started")
"""Keys of an instance; ``by`` is the target that deployed it, or ``run``."""


def handle(args: Arguments, world: World) -> int:
    """Ask each runner and target."""
    with looking(args, world) as session:
        found = world.instances(session).all()
    if args.json:
        show.document(world, {"instances": found})
    elif found:
        rows = [tuple(digest(str(one.get(column) or "")) for column in COLUMNS) for one in found]
        show.table(world, tuple(column.upper() for column in COLUMNS), rows)
    else:
        show.line(world, "nothing runs; `agent run AGENT` or `agent deploy` starts something")
    return 0


COMMAND = Command(
    name="ps",
    summary="list what runs: deployed agents, and those that `agent run` started",
    handle=handle,
    flags=LOOK,
    examples=("agent ps", "agent ps --json"),
)
