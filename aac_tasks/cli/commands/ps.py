"""`agent ps`: what runs."""

from __future__ import annotations

import fnmatch

from aac_tasks.cli import show
from aac_tasks.cli.choosing import FILTER, HEADS, OF_INSTANCES, Matches, chosen, fitting, format_flag, tell, template_of
from aac_tasks.cli.declare import Command, Flag
from aac_tasks.cli.flags import LOOK
from aac_tasks.cli.live_table import live_table
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import UsageError
from aac_tasks.reporter.terminal import wants_live
from aac_tasks.reporter.wording import digest

COLUMNS = ("name", "agent", "by", "state", "url", "image", "started")
"""Keys of an instance; ``by`` is the target that deployed it, or ``run``."""

STATES = ("running", "exited", "unknown")


def _state(row: JsonObject, wanted: str) -> bool:
    """``unknown`` says why behind a colon."""
    return fnmatch.fnmatchcase(str(row.get("state")).partition(":")[0], wanted)


FILTERS: dict[str, Matches] = {
    **{key: fitting(key) for key in ("name", "agent", "by", "runner")},
    "state": _state,
    "status": _state,
    "image": lambda row, wanted: str(row.get("image")).removeprefix("sha256:").startswith(wanted.removeprefix("sha256:")),
}
QUIET = Flag(("-q", "--quiet"), "names only")
WATCH = Flag(("-w", "--watch"), "a live table, until Ctrl-C")
HEAD = tuple(column.upper() for column in COLUMNS)


def handle(args: Arguments, world: World) -> int:
    """Ask each runner and target."""
    with looking(args, world) as session:
        instances = world.instances(session)

        def look(rows: list[JsonObject]) -> list[JsonObject]:
            return chosen(rows, args.filter, FILTERS, {"state": STATES, "status": STATES})

        if args.watch:
            if not wants_live(world.out, world.err, world.environment):
                raise UsageError("agent ps: --watch needs a terminal")
            return live_table(world.out, HEAD, lambda: [_row(one) for one in look(instances.all())], lambda: instances.sleep(1.0))
        every = instances.all()
        found = look(every)
    template = template_of(args, "{{.Name}}")
    if args.json:
        show.document(world, {"instances": found})
    elif template:
        tell(world, template, found, OF_INSTANCES)
    elif found:
        show.table(world, HEAD, [_row(one) for one in found])
    elif every:
        show.line(world, "nothing that runs fits")
    else:
        show.line(world, "nothing runs; `agent run AGENT` or `agent deploy` starts something")
    return 0


def _row(one: JsonObject) -> tuple[str, ...]:
    code = one.get("exit_code")
    shown = one if code is None else {**one, "state": f"{one['state']} ({code})"}
    return tuple(digest(str(shown.get(column) or "")) for column in COLUMNS)


COMMAND = Command(
    name="ps",
    summary="list what runs: deployed agents, and those that `agent run` started",
    description="Filters: agent, by, image, name, runner, state (running, exited, unknown).",
    handle=handle,
    flags=(FILTER, format_flag("{{.Name}} {{.Url}}", HEADS), QUIET, WATCH, *LOOK),
    examples=(
        "agent ps",
        "agent ps --filter state=running --format '{{.Name}} {{.Url}}'",
        "agent ps --format 'table {{.Name}}\\t{{.State}}'",
        "agent ps --json",
    ),
)
