"""`agent doctor`: what works here, what does not, and why."""

from __future__ import annotations

from collections.abc import Sequence

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import JSON, OFFLINE, PLACE, options
from aac_tasks.cli.hosting import host_findings
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.codec import encode
from aac_tasks.reporter.quiet import ignore
from aac_tasks.steps.survey import Finding

COLOURS = {"ok": "green", "off": "dim", "warning": "yellow", "blocked": "red"}


def handle(args: Arguments, world: World) -> int:
    """Look at everything, then say it; exit 1 when something blocks."""
    session = world.open(options(args, world), ignore)
    found = (*host_findings(session.root, world.environment), *session.survey())
    blocked = any(one.state == "blocked" for one in found)
    if args.json:
        show.document(world, {"findings": encode(found), "blocked": blocked})
    else:
        _show(found, world)
    return 1 if blocked else 0


def _show(found: Sequence[Finding], world: World) -> None:
    width = max(len(one.name) for one in found)
    area = ""
    for one in found:
        if one.area != area:
            area = one.area
            show.line(world, area)
        show.coloured(world, f"  {one.state:<8} {one.name:<{width}}  {one.text}".rstrip(), COLOURS[one.state])


COMMAND = Command(
    name="doctor",
    summary="say what works here and why not: builders, runners, plugins, caches, proxies",
    description="Tries every builder and runner. Exit code 1 when something blocks.",
    handle=handle,
    flags=(JSON, OFFLINE, *PLACE),
    examples=("agent doctor", "agent doctor --json"),
)
