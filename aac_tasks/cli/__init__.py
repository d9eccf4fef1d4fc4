"""argv → exit code. Every command is one short file in ``commands``; `errors` tells what they raise."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from aac_tasks.cli.world import World, drive, instances, open_session, plugins


def main(argv: Sequence[str], world: World | None = None) -> int:
    """Run one command line (without the program's name) and return its exit code; never raises."""
    from aac_tasks.cli.errors import guard

    words = list(argv)
    here = world or _real_world(words)
    return guard(here, words, lambda: _dispatch(words, here))


def _real_world(words: Sequence[str]) -> World:
    return World(
        out=sys.stdout,
        err=sys.stderr,
        environment=dict(os.environ),
        folder=Path.cwd(),
        open=open_session,
        drive=drive,
        instances=instances,
        plugins=plugins,
        words=tuple(words),
    )


def _dispatch(words: list[str], world: World) -> int:
    from aac_tasks.cli import commands, show
    from aac_tasks.cli.flags import WORK_ON_MANY
    from aac_tasks.cli.help import command_help
    from aac_tasks.cli.parsing import asks_help, find_command, parse, unknown_command
    from aac_tasks.errors import UsageError

    name, rest = find_command(words, WORK_ON_MANY)
    if name == "help":
        name, rest = (rest[0], ["--help"]) if rest else ("", [])
    if not name:
        return _without_command(rest, world)
    if name not in commands.NAMES:
        raise UsageError(unknown_command(name, commands.NAMES))
    command = commands.command(name)
    if asks_help(rest[: rest.index("--")] if "--" in rest else rest):
        show.text(world, command_help(command))
        return 0
    return command.handle(parse(command, rest), world)


def _without_command(words: list[str], world: World) -> int:
    from aac_tasks.cli import commands, show
    from aac_tasks.cli.help import overview
    from aac_tasks.errors import UsageError

    if "--version" in words or "-V" in words:
        return commands.command("version").handle(commands.no_arguments(), world)
    if words and not {"-h", "--help"} & set(words):
        raise UsageError(f"{words[0]}: a command is missing; see `agent --help`")
    show.text(world, overview(commands.groups(), commands.TOP_FLAGS))
    return 0
