"""`agent restart`: end what runs and start it again as it was."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.commands.stop import named
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import JSON, PLACE
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import Json
from aac_tasks.errors import UsageError


def handle(args: Arguments, world: World) -> int:
    """Each by its name, or all of an agent by the agent's."""
    if not args.name:
        raise UsageError("agent restart: name what to restart; `agent ps` lists what there is")
    started: list[Json] = []
    with looking(args, world) as session:
        instances = world.instances(session)
        for name in named(args.name, instances.all()):
            facts = instances.restart(name)
            started.append(facts)
            if not args.json:
                show.line(world, f"{name} runs again {facts.get('url') or ''}".rstrip())
    if args.json:
        show.document(world, {"instances": started})
    return 0


COMMAND = Command(
    name="restart",
    summary="end what runs and start it again, same image, same options",
    description="What was deployed is deployed again as it was, whatever agent.yaml says by now. Secrets are looked up anew.",
    handle=handle,
    arguments=(Argument("NAME", "a name that `agent ps` lists, or an agent's", "many"),),
    flags=(JSON, *PLACE),
    examples=("agent restart hello",),
)
