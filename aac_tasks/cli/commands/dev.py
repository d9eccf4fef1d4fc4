"""`agent dev`: build, run, and let it go on with every edit."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.commands.run import LONG_VERBOSE
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import DRY_RUN, JSON, KEEP_GOING, QUIET, VERBOSE, WORK, options
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.run_flags import RUN_FLAGS, overrides
from aac_tasks.cli.world import Arguments, World
from aac_tasks.errors import UsageError
from aac_tasks.reporter.quiet import ignore

NOT_HERE = ("--name", "--restart", "--interactive", "--tty")
OTHERS = (DRY_RUN, KEEP_GOING, JSON, QUIET, VERBOSE)


def handle(args: Arguments, world: World) -> int:
    """Until Ctrl-C, which is how it ends well."""
    from aac_tasks.cli.rounds import Rounds  # lazy: --help needs none of it
    from aac_tasks.developing import Development  # as above

    said = overrides(Arguments(**{**vars(args), "name": "", "restart": ""}))
    chosen = options(args, world)
    session = world.open(chosen, ignore)
    names = resolve([args.agent] if args.agent else [], session) or tuple(a.agent for a in session.plan().asked)
    if len(names) != 1:
        raise UsageError(f"agent dev works on one agent; name one of {', '.join(names)}")
    work = Development(names[0], said, session, lambda words: show.line(world, words))
    return Rounds(work, chosen, world, verbose=args.verbose).go(session)


COMMAND = Command(
    name="dev",
    summary="run an agent here, and let every edit be built and served",
    description=(
        "Watches what its image and its plan are made of (pip install 'aac-tasks[watch]'). What was built takes over once its "
        "health check answers, on the same port; where an edit changed files alone, the instance that runs gets them. After one "
        "that does not build or does not become well, what ran before serves. Ctrl-C ends it, and leaves nothing running."
    ),
    handle=handle,
    arguments=(Argument("AGENT", "an agent's name or folder; not needed where there is one", "maybe"),),
    flags=(
        *(flag for flag in RUN_FLAGS if not set(NOT_HERE) & set(flag.names)),
        *(flag for flag in WORK if flag not in OTHERS),
        LONG_VERBOSE,
    ),
    examples=("agent dev", "agent dev hello -p 8081:8080 -e GREETING=hi"),
    rest="ARGUMENT",
)
