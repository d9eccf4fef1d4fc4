"""`agent images`: the image of each agent."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import AGENTS, LOOK
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.reporter.wording import digest, size


def handle(args: Arguments, world: World) -> int:
    """Show what was built, one agent a line."""
    with looking(args, world) as session:
        found = [(name, session.image(name)) for name in resolve(args.agent or ["*"], session)]
    built = [(name, facts) for name, facts in found if facts is not None]
    if args.json:
        show.document(world, {"images": [{"agent": name, **facts} for name, facts in built]})
    elif built:
        show.table(world, ("AGENT", "DIGEST", "SIZE", "BUILDER"), [_row(name, facts) for name, facts in built])
    else:
        show.line(world, "no images yet; `agent build` makes them")
    return 0


def _row(agent: str, facts: JsonObject) -> tuple[str, str, str, str]:
    total = facts.get("size")
    shown = size(total) if isinstance(total, (int, float)) else ""
    return agent, digest(str(facts.get("digest") or "")), shown, str(facts.get("builder") or "")


COMMAND = Command(
    name="images",
    summary="list the images that were built here",
    handle=handle,
    arguments=(AGENTS,),
    flags=LOOK,
    examples=("agent images", "agent images --json"),
)
