"""`agent run`: start an agent's image here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import DRY_RUN, KEEP_GOING, WORK, options
from aac_tasks.cli.log_lines import follow
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import jobs, reporter_for
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import UsageError
from aac_tasks.steps.interrupts import interruptible

if TYPE_CHECKING:
    from aac_tasks.running import Instances
    from aac_tasks.session import Session

DETACH = Flag(("-d", "--detach"), "leave it running and return")


def handle(args: Arguments, world: World) -> int:
    """Build what is not built, start it, and show its log until it ends or Ctrl-C, which stops it."""
    if args.json and not args.detach:
        raise UsageError("agent run: --json goes with --detach, because a log is no JSON document")
    reporter = reporter_for(args, world)
    try:
        session = world.open(options(args, world), reporter)
        code, name = _build(args, world, session)
        if code:
            reporter.close(code)
            return code
        instances = world.instances(session)
        started = instances.start(name)
    finally:
        reporter.close(abandoned=True)  # a second closing is nothing
    _say(started, args, world)
    return 0 if args.detach else _stay(instances, str(started["name"]), world)


def _build(args: Arguments, world: World, session: Session) -> tuple[int, str]:
    names = resolve([args.agent], session)
    if len(names) != 1:
        raise UsageError(f"agent run starts one agent; name one of {', '.join(names)}")
    with interruptible(session.cancelled.set):
        return world.drive(session, (f"image:{names[0]}",), jobs=jobs(args, session)), names[0]


def _stay(instances: Instances, name: str, world: World) -> int:
    try:
        with interruptible(lambda: None):  # nothing to cancel: stopping it needs the session
            return follow(instances, name, world)
    finally:
        instances.stop(name)


def _say(started: JsonObject, args: Arguments, world: World) -> None:
    if args.json:
        show.document(world, started)
        return
    where = f" at {started['url']}" if started.get("url") else ""
    show.line(world, f"{started['name']} runs{where} (runner {started.get('runner')})")


COMMAND = Command(
    name="run",
    summary="start an agent here and show its log; Ctrl-C stops it",
    description="Builds the image before, where that is needed.",
    handle=handle,
    arguments=(Argument("AGENT", "an agent's name or folder"),),
    flags=(DETACH, *(flag for flag in WORK if flag not in (DRY_RUN, KEEP_GOING))),
    examples=("agent run hello", "agent run -d hello --runner docker"),
)
