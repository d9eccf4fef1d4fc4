"""`agent inspect`: one image, by digest, layer and configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import LOOK
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.errors import StepError, UsageError
from aac_tasks.reporter.wording import size


def handle(args: Arguments, world: World) -> int:
    """Show the image that was built last."""
    with looking(args, world) as session:
        names = resolve([args.agent] if args.agent else ["*"], session)
        if len(names) != 1:
            raise UsageError(f"inspect shows one agent; name one of {', '.join(names)}")
        facts = session.image(names[0])
    if facts is None:
        raise StepError(f"{names[0]} has no image yet", hint=f"`agent build {names[0]}` makes it")
    if args.json:
        show.document(world, {"agent": names[0], **facts})
    else:
        _show(names[0], facts, world)
    return 0


def _show(agent: str, facts: JsonObject, world: World) -> None:
    show.line(world, f"{'agent':<14} {agent}")
    for name, value in facts.items():
        if name not in ("layers", "image", "images", "index") and value not in (None, "", [], {}):
            shown = size(value) if name == "size" and isinstance(value, int) else _text(value)
            show.line(world, f"{name.replace('_', ' '):<14} {shown}")
    layers = [layer for layer in _list(facts.get("layers")) if isinstance(layer, Mapping)]
    if layers:
        rows = [(str(x.get("name") or ""), str(x.get("digest") or ""), _size(x.get("size"))) for x in layers]
        show.table(world, ("LAYER", "DIGEST", "SIZE"), rows)


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else []


def _size(value: Json) -> str:
    return size(value) if isinstance(value, (int, float)) else ""


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


COMMAND = Command(
    name="inspect",
    summary="show an agent's image: digest, layers, configuration",
    description="With --json, `.digest` is the manifest digest.",
    handle=handle,
    arguments=(Argument("AGENT", "an agent's name or folder; may be left out where there is one", "maybe"),),
    flags=LOOK,
    examples=("agent inspect hello", "agent inspect hello --json"),
)
