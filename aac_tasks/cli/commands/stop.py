"""`agent stop`: end what runs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import JSON, PLACE
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import UsageError

ALL = Flag(("--all",), "stop everything that `agent ps` lists")


def handle(args: Arguments, world: World) -> int:
    """Stop each by its name, or all of an agent by the agent's."""
    if bool(args.name) == args.all:
        raise UsageError("agent stop: name what to stop, or say --all; `agent ps` lists what runs")
    with looking(args, world) as session:
        instances = world.instances(session)
        names = named(args.name, instances.all())
        for name in names:
            instances.stop(name)
    if args.json:
        show.document(world, {"stopped": list(names)})
    else:
        show.line(world, f"stopped {', '.join(names)}" if names else "nothing ran")
    return 0


def named(words: Sequence[str], found: Sequence[JsonObject]) -> tuple[str, ...]:
    """Instances that the words mean, all when there are none; UsageError for a word that means none."""
    known = [str(one["name"]) for one in found]
    chosen: dict[str, None] = dict.fromkeys(known if not words else ())
    for word in words:
        matching = [str(one["name"]) for one in found if word in (one["name"], one.get("agent"))]
        if not matching:
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`agent ps` lists what runs"
            raise UsageError(f"nothing called {word!r} runs; {hint}")
        chosen.update(dict.fromkeys(matching))
    return tuple(chosen)


def one_named(word: str, found: Sequence[JsonObject], what: str) -> str:
    """The one instance that a word means; UsageError when it means none or several."""
    names = named([word], found)
    if len(names) != 1:
        raise UsageError(f"agent {what}; name one of {', '.join(names)}")
    return names[0]


COMMAND = Command(
    name="stop",
    summary="stop what runs, by its name or its agent's",
    handle=handle,
    arguments=(Argument("NAME", "a name that `agent ps` lists, or an agent's", "many"),),
    flags=(ALL, JSON, *PLACE),
    examples=("agent stop hello", "agent stop --all"),
)
