"""argv → the command and its arguments; what is unknown is answered with the nearest known word."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NoReturn

from aac_tasks.cli.declare import Command, Flag
from aac_tasks.cli.world import Arguments
from aac_tasks.errors import UsageError

SYNONYMS = {
    "up": "deploy", "down": "stop", "start": "run", "rm": "stop", "kill": "stop",
    "top": "stats", "attach": "exec", "untag": "rmi",
    "ls": "images", "list": "plan", "new": "init", "create": "init", "check": "validate", "lint": "validate",
    "explain": "why",     "prune": "cache", "clean": "cache",
    "info": "inspect", "publish": "push", "compile": "build",
}  # fmt: skip
"""What people type who come from other tools."""

_NARGS = {"one": None, "maybe": "?", "many": "*"}


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises UsageError and leaves help and exits to us."""

    def __init__(self, command: Command) -> None:
        prog = f"agent {command.name}"
        super().__init__(prog=prog, usage=prog, add_help=False, allow_abbrev=False)  # our own usage: theirs takes 5 ms
        self.command = command
        for argument in command.arguments:
            self.add_argument(argument.dest, nargs=_NARGS[argument.count], metavar=argument.name)
        for flag in command.flags:
            _add(self, flag)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise UsageError(f"{self.prog}: {message}; see `{self.prog} --help`")


def _add(parser: Parser, flag: Flag) -> None:
    if not flag.metavar:
        parser.add_argument(*flag.names, dest=flag.dest, action="store_true")
        return

    def read(text: str) -> object:
        try:
            return flag.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    parser.add_argument(
        *flag.names,
        dest=flag.dest,
        metavar=flag.metavar,
        type=read,
        action="append" if flag.repeat else "store",
        default=None if flag.repeat else flag.default,
    )


def parse(command: Command, words: Sequence[str]) -> Arguments:
    """Read the words behind a command; UsageError for what it does not know."""
    words, rest = _split(words, bool(command.rest))
    words = list(_with_amounts(words, command))
    parser = Parser(command)
    if asks_help(words):  # wins over missing arguments
        return argparse.Namespace(help=True)
    args, unknown = parser.parse_known_intermixed_args(list(words))
    if unknown:
        raise UsageError(_unknown(command, unknown[0]))
    for flag in command.flags:
        if flag.repeat:
            setattr(args, flag.dest, tuple(getattr(args, flag.dest) or ()))
    args.rest = tuple(rest)
    return args


def _with_amounts(words: Sequence[str], command: Command) -> Iterator[str]:
    """``-m -5m`` is one word, so that the value and not the flag is what is wrong."""
    takes_value = {name for flag in command.flags if flag.metavar for name in flag.names}
    at = 0
    while at < len(words):
        word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
        joined = word in takes_value and following[:1] == "-" and following[1:2].isdigit()
        yield f"{word}{'=' if word.startswith('--') else ''}{following}" if joined else word
        at += 2 if joined else 1


def asks_help(words: Sequence[str]) -> bool:
    """Whether -h or --help is among the words."""
    return "-h" in words or "--help" in words


def _split(words: Sequence[str], takes_rest: bool) -> tuple[list[str], list[str]]:
    if takes_rest and "--" in words:
        at = list(words).index("--")
        return list(words[:at]), list(words[at + 1 :])
    return list(words), []


def _unknown(command: Command, word: str) -> str:
    name = word.partition("=")[0]
    if not name.startswith("-"):
        takes = " ".join(a.shown for a in command.arguments) or "no arguments"
        return f"agent {command.name}: unexpected argument {word!r}; it takes {takes}"
    import difflib  # lazy, as below: only for the message

    known = [n for flag in command.flags for n in flag.names]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"see `agent {command.name} --help`"
    return f"agent {command.name}: unknown flag {name}; {hint}"


def find_command(words: Sequence[str], leading: Sequence[Flag]) -> tuple[str, list[str]]:
    """The command and the other words: flags in ``leading`` may stand before it. "" when there is none."""
    takes_value = {name for flag in leading if flag.metavar for name in flag.names}
    at = 0
    while at < len(words):
        if not words[at].startswith("-"):
            return words[at], [*words[:at], *words[at + 1 :]]
        at += 2 if words[at] in takes_value else 1
    return "", list(words)


def unknown_command(word: str, known: Sequence[str]) -> str:
    """The message for a word that is no command."""
    import difflib

    near = SYNONYMS.get(word) or next(iter(difflib.get_close_matches(word, known, n=1)), "")
    hint = f"did you mean `agent {near}`?" if near else "see `agent --help`"
    return f"unknown command {word!r}; {hint}"
