"""`agent exec`: a program inside a running agent."""

from __future__ import annotations

from aac_tasks.cli.commands.stop import one_named
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import PLACE
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.errors import UsageError
from aac_tasks.reporter.terminal import is_terminal

INTERACTIVE = Flag(("-i", "--interactive"), "accepted for habit: your stdin is always the program's")
TTY = Flag(("-t", "--tty"), "with a terminal of its own, where the runner can")


def handle(args: Arguments, world: World) -> int:
    """The program's exit code."""
    if not args.rest:
        raise UsageError("agent exec: say what to run behind --, as in `agent exec hello -- ls /app`")
    if args.tty and not is_terminal(world.out):
        raise UsageError("agent exec: --tty needs a terminal; leave it out")
    with looking(args, world) as session:
        instances = world.instances(session)
        name = one_named(args.name, instances.all(), "exec runs a program in one")
        with instances.enter(name, args.rest, terminal=args.tty) as process:
            return instances.foreground(process)


COMMAND = Command(
    name="exec",
    summary="run a program inside a running agent",
    description="With the agent's user, environment and folder. Its exit code is this command's.",
    handle=handle,
    arguments=(Argument("NAME", "a name that `agent ps` lists, or an agent's"),),
    flags=(INTERACTIVE, TTY, *PLACE),
    examples=("agent exec hello -- python3 -c 'import os; print(os.environ)'", "agent exec -it hello -- sh"),
    rest="PROGRAM",
)
