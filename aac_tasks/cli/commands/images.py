"""`agent images`: the images of agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.choosing import FILTER, HEADS, OF_IMAGES, Matches, chosen, fitting, format_flag, tell, template_of
from aac_tasks.cli.declare import Command, Flag
from aac_tasks.cli.flags import AGENTS, LOOK, OF_PLATFORM, platforms
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import LostError
from aac_tasks.reporter.wording import digest, size

if TYPE_CHECKING:
    from aac_tasks.images import Images

ALL = Flag(("-a", "--all"), "also older ones, which none of your workspaces holds any more")
QUIET = Flag(("-q", "--quiet"), "digests only")


def _label(row: JsonObject, wanted: str) -> bool:
    key, sign, value = wanted.partition("=")
    labels = row.get("labels")
    return isinstance(labels, dict) and key in labels and (not sign or labels[key] == value)


def _platforms(row: JsonObject) -> list[str]:
    several = row.get("platforms")
    return [str(one) for one in several] if isinstance(several, list) else [str(row.get("platform"))]


TRUE, FALSE = ("true", "1"), ("false", "0")
FILTERS: dict[str, Matches] = {
    "agent": fitting("agent"),
    "builder": fitting("builder"),
    "dangling": lambda row, wanted: (not row.get("names")) == (wanted in TRUE),
    "digest": lambda row, wanted: str(row.get("digest")).removeprefix("sha256:").startswith(wanted.removeprefix("sha256:")),
    "label": _label,
    "name": lambda row, wanted: any(fitting("names")(row, text) for text in (wanted, f"{wanted}:*")),
    "platform": lambda row, wanted: any(fitting("platform")({"platform": one}, wanted) for one in _platforms(row)),
}


def handle(args: Arguments, world: World) -> int:
    """One image a line."""
    with looking(args, world) as session:
        images = world.images(session)
        nameless = args.all or any(key in ("dangling", "digest") for key, _ in args.filter)
        rows = list(_facts(images, nameless))
        known = {row["agent"] for row in rows}
        agents = args.agent if known.issuperset(args.agent) else resolve(args.agent, session)
        if not rows:
            session.plan()  # a folder without agents is told as what it is
    asked = [*args.filter, *(("platform", str(one)) for one in platforms(args))]
    rows_of_agents = [row for row in rows if not agents or row["agent"] in agents]
    found = chosen(rows_of_agents, asked, FILTERS, {"dangling": (*TRUE, *FALSE)})
    template = template_of(args, "{{.Digest}}")
    if args.json:
        show.document(world, {"images": found})
    elif template:
        tell(world, template, found, OF_IMAGES)
    elif found:
        show.table(world, ("NAME", "DIGEST", "SIZE", "BUILDER", "PLATFORM"), [row for one in found for row in _rows(one)])
    else:
        show.line(world, "no images yet; `agent build` makes them" if not rows else "no image fits")
    return 0


def _facts(images: Images, nameless: bool) -> Iterator[JsonObject]:
    """Of each image; one whose configuration can't be had from the shared cache any more is none."""
    for one in images.all(nameless=nameless):
        with suppress(LostError):
            yield images.facts(one)


def _rows(facts: JsonObject) -> list[tuple[str, ...]]:
    total, names = facts.get("size"), facts.get("names")
    shown = size(total) if isinstance(total, (int, float)) else ""
    rest = (digest(str(facts["digest"])), shown, str(facts.get("builder") or ""), ", ".join(_platforms(facts)))
    return [(str(name), *rest) for name in (names if isinstance(names, list) and names else ["<none>"])]


COMMAND = Command(
    name="images",
    summary="list images of agents: those built here, and those that were loaded or named",
    description=(
        "The store is shared by all your workspaces; what another one holds is not listed. Filters: agent, builder, "
        "dangling=true|false, digest, label=KEY[=VALUE], name, platform."
    ),
    handle=handle,
    arguments=(AGENTS,),
    flags=(ALL, FILTER, format_flag("{{.Name}} {{json .Labels}}", HEADS), QUIET, OF_PLATFORM, *LOOK),
    examples=("agent images", "agent images --filter name=hello --format '{{.Digest}}'", "agent images --json"),
)
