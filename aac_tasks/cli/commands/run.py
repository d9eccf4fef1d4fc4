"""`agent run`: start an agent's image here."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import WORK, options
from aac_tasks.cli.log_lines import follow
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import reporter_for
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import UsageError

DETACH = Flag(("-d", "--detach"), "leave it running and return")


def handle(args: Arguments, world: World) -> int:
    """Build what is not built, start it, and show its log until it ends or Ctrl-C, which stops it."""
    if args.json and not args.detach:
        raise UsageError("agent run: --json goes with --detach, because a log is no JSON document")
    reporter = reporter_for(args, world)
    try:
        session = world.open(options(args, world), reporter)
        (name,) = _one(resolve([args.agent], session))
        code = world.drive(session, (f"image:{name}",), jobs=args.jobs)
    except BaseException:
        reporter.close()
        raise
    if code or args.dry_run:
        reporter.close(code)
        return code
    reporter.close()
    started = session.start(name)
    if args.detach:
        return _say(started, args, world)
    _say(started, args, world)
    try:
        return follow(session, str(started["name"]), world)
    finally:
        session.stop(str(started["name"]))


def _one(names: tuple[str, ...]) -> tuple[str]:
    if len(names) != 1:
        raise UsageError(f"agent run starts one agent; name one of {', '.join(names)}")
    return (names[0],)


def _say(started: JsonObject, args: Arguments, world: World) -> int:
    if args.json:
        show.document(world, started)
        return 0
    where = f" at {started['url']}" if started.get("url") else ""
    show.line(world, f"{started['name']} runs{where} (runner {started.get('runner')})")
    return 0


COMMAND = Command(
    name="run",
    summary="start an agent here and show its log; Ctrl-C stops it",
    description="Builds the image before, where that is needed.",
    handle=handle,
    arguments=(Argument("AGENT", "an agent's name or folder"),),
    flags=(DETACH, *WORK),
    examples=("agent run hello", "agent run -d hello --runner docker"),
)
