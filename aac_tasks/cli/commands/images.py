"""`agent images`: the image of each agent."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import AGENTS, LOOK, options
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.reporter.quiet import ignore
from aac_tasks.reporter.wording import digest, size


def handle(args: Arguments, world: World) -> int:
    """Show what was built, one agent a line."""
    session = world.open(options(args, world), ignore)
    names = resolve(args.agent, session) if args.agent else tuple(p.agent for p in session.plan().agents)
    found = [(name, session.image(name)) for name in names]
    built = [(name, facts) for name, facts in found if facts is not None]
    if args.json:
        show.document(world, {"images": [{"agent": name, **facts} for name, facts in built]})
    elif built:
        show.table(world, ("AGENT", "IMAGE", "DIGEST", "SIZE"), [_row(name, facts) for name, facts in built])
    else:
        show.line(world, "no images yet; `agent build` makes them")
    return 0


def _row(agent: str, facts: JsonObject) -> tuple[str, str, str, str]:
    layers = facts.get("layers")
    sizes = (
        [layer.get("size") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    )
    total = sum(number for number in sizes if isinstance(number, int))
    return agent, str(facts.get("ref") or ""), digest(str(facts.get("digest") or "")), size(total)


COMMAND = Command(
    name="images",
    summary="list the images that were built here",
    handle=handle,
    arguments=(AGENTS,),
    flags=LOOK,
    examples=("agent images", "agent images --json"),
)
