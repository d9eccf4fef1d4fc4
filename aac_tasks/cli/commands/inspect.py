"""`agent inspect`: one image: digest, layers, configuration, as they stand in the image itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.choosing import OF_IMAGES, format_flag, formatted
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import LOOK, OF_PLATFORM, platforms
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.errors import StepError, UsageError
from aac_tasks.reporter.wording import size
from aac_tasks.session import Session

if TYPE_CHECKING:
    from aac_tasks.images import Images
    from aac_tasks.known import Known


def handle(args: Arguments, world: World) -> int:
    """Show the image that was built last, or that a name or digest stands for."""
    with looking(args, world) as session:
        images = world.images(session)
        one = _found(args.image, images, session).of(platforms(args))
        facts = {**images.facts(one), **images.inside(one)}
    if args.json:
        show.document(world, facts)
    elif args.format:
        show.line(world, formatted(args.format, [facts], OF_IMAGES)[0])
    else:
        _show(facts, world)
    return 0


def _found(asked: str | None, images: Images, session: Session) -> Known:
    """An agent's folder is as good as its name. Names and digests of images need no readable agent.yaml."""
    if not asked:
        return _of_agent("*", images, session)
    try:
        return images.find(asked)
    except UsageError as unknown:
        try:
            return _of_agent(asked, images, session)
        except UsageError:
            raise unknown from None


def _of_agent(word: str, images: Images, session: Session) -> Known:
    names = resolve([word], session)
    if len(names) != 1:
        raise UsageError(f"inspect shows one image; name one of {', '.join(names)}")
    if session.image(names[0]) is None:
        raise StepError(f"{names[0]} has no image yet", hint=f"`agent build {names[0]}` makes it")
    return images.find(names[0])


def _show(facts: JsonObject, world: World) -> None:
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
    summary="show what an image says of itself: digest, layers, labels, how it starts",
    description="With --json, `.digest` is the manifest digest, `.spec` the agent's own configuration that is in the image.",
    handle=handle,
    arguments=(Argument("IMAGE", "an agent, its folder, a name or a digest; may be left out where there is one agent", "maybe"),),
    flags=(format_flag("{{.Name}} {{json .Labels}}"), OF_PLATFORM, *LOOK),
    examples=("agent inspect hello", "agent inspect hello:1.0.0 --format '{{.Digest}}'", "agent inspect hello --json"),
)
