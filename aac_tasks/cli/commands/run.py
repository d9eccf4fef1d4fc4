"""`agent run`: start an agent's image here."""

from __future__ import annotations

import os
from dataclasses import replace

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import DRY_RUN, KEEP_GOING, VERBOSE, WORK, options
from aac_tasks.cli.foreground import stay
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.run_flags import RUN_FLAGS, overrides
from aac_tasks.cli.stepping import jobs, reporter_for
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import UsageError
from aac_tasks.reporter.terminal import is_terminal
from aac_tasks.session import Session
from aac_tasks.steps.interrupts import interruptible

LONG_VERBOSE = Flag(("--verbose",), VERBOSE.help)  # -v is --volume here, as it is with engines
DETACH = Flag(("-d", "--detach"), "leave it running and return")


def handle(args: Arguments, world: World) -> int:
    """Build what is not built, start it, and show its log until it ends or Ctrl-C, which stops it."""
    if args.json and not args.detach:
        raise UsageError("agent run: --json goes with --detach, because a log is no JSON document")
    _check_streams(args, world)
    said = overrides(args)
    telling = world if args.detach else replace(world, out=world.err)  # in the foreground stdout is the agent's
    reporter = reporter_for(args, telling)
    try:
        session = world.open(options(args, world), reporter)
        code, name = _build(args, world, session)
        if code:
            reporter.close(code)
            return code
        with interruptible(session.cancelled.set):
            how = {"interactive": args.interactive, "terminal": args.tty, "apart": not (args.detach or _is_one(world))}
            started = world.instances(session).start(name, said, **how)
    finally:
        reporter.close(abandoned=True)  # a second closing is nothing
    _say(started, args, telling)
    return 0 if args.detach else stay(world.instances(session), str(started["name"]), world, interactive=args.interactive)


def _check_streams(args: Arguments, world: World) -> None:
    if args.tty and not args.interactive:
        raise UsageError("agent run: --tty goes with --interactive")
    if args.interactive and args.detach:
        raise UsageError("agent run: --interactive goes with the foreground; leave --detach out")
    if args.tty and not is_terminal(world.out):
        raise UsageError("agent run: --tty needs a terminal; leave it out to use --interactive with a pipe")


def _build(args: Arguments, world: World, session: Session) -> tuple[int, str]:
    names = resolve([args.agent], session)
    if len(names) != 1:
        raise UsageError(f"agent run starts one agent; name one of {', '.join(names)}")
    with interruptible(session.cancelled.set):
        return world.drive(session, (f"image:{names[0]}",), jobs=jobs(args, session)), names[0]


def _is_one(world: World) -> bool:
    """Whether our stdout and stderr are the same, a terminal or ``2>&1``: then what comes stays in its order."""
    try:
        return os.path.sameopenfile(world.out.fileno(), world.err.fileno())
    except (OSError, ValueError):  # not files at all
        return False


def _say(started: JsonObject, args: Arguments, world: World) -> None:
    if args.json:
        show.document(world, started)
        return
    if args.quiet:
        return
    where = f" at {started['url']}" if started.get("url") else ""
    show.line(world, f"{started['name']} runs{where} (runner {started.get('runner')})")


COMMAND = Command(
    name="run",
    summary="start an agent here and show its log until it ends; its exit code is this command's",
    description=(
        "Builds the image before, where that is needed. What agent.yaml says is the default, flags come on top. Signals are "
        "passed on to the agent; after Ctrl-C it has ten seconds to end, a second one ends it at once. Words behind -- replace "
        "the image's command (what follows its entrypoint)."
    ),
    handle=handle,
    arguments=(Argument("AGENT", "an agent's name or folder"),),
    flags=(DETACH, *RUN_FLAGS, *(flag for flag in WORK if flag not in (DRY_RUN, KEEP_GOING, VERBOSE)), LONG_VERBOSE),
    examples=(
        "agent run hello",
        "agent run -d hello --name second -p 8081:8080 -e GREETING=hi",
        "agent run -it hello --read-only --tmpfs /tmp -m 512Mi -- --verbose",
    ),
    rest="ARGUMENT",
)
