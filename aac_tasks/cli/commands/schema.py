"""`agent schema`: the JSON Schema of agent.yaml, with what plugins add, for editors."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import PLACE
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World


def handle(args: Arguments, world: World) -> int:
    """Print it."""
    from aac_tasks.spec import schema  # lazy: it brings jsonschema

    with looking(args, world) as session:
        settings = session.workspace.settings()
    show.document(world, schema(settings))
    return 0


COMMAND = Command(
    name="schema",
    summary="print the JSON Schema of agent.yaml, merged with what plugins add",
    description="Point an editor at it: `agent schema > .aac/agent.schema.json`.",
    handle=handle,
    flags=PLACE,
    examples=("agent schema > agent.schema.json",),
)
