"""`agent schema`: the JSON Schema of agent.yaml, with what plugins add, for editors."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import PLACE, options
from aac_tasks.cli.world import Arguments, World
from aac_tasks.reporter.quiet import ignore


def handle(args: Arguments, world: World) -> int:
    """Print it."""
    from aac_tasks.spec import merged_schema  # lazy: reads the schema and asks every plugin

    settings = world.open(options(args, world), ignore).workspace.settings()
    show.document(world, merged_schema(settings))
    return 0


COMMAND = Command(
    name="schema",
    summary="print the JSON Schema of agent.yaml, merged with what plugins add",
    description="Point an editor at it: `agent schema > .aac/agent.schema.json`.",
    handle=handle,
    flags=PLACE,
    examples=("agent schema > agent.schema.json",),
)
