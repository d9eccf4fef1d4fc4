"""One module per command, named as strings: a command that is not called is not imported."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from aac_tasks.cli.declare import Command
from aac_tasks.cli.world import Arguments

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("steps", ("build", "test", "push", "deploy", "lock")),
    ("registries", ("pull", "login", "logout", "configure")),
    ("running agents", ("run", "dev", "ps", "logs", "exec", "stats", "restart", "stop")),
    ("images", ("images", "inspect", "tag", "rmi", "save", "load")),
    ("looking", ("plan", "why", "validate", "schema", "doctor", "version")),
    ("making and cleaning", ("init", "ci", "cache")),
)
"""Every command, in the order in which help shows them."""

NAMES = tuple(name for _, names in GROUPS for name in names)

TOP_FLAGS = (
    ("-C, --directory DIR", "work as if started in DIR"),
    ("-V, --version", "show the version"),
    ("-h, --help", "show this help"),
)


def command(name: str) -> Command:
    """The command of that name."""
    found = importlib.import_module(f"{__name__}.{name}").COMMAND
    assert isinstance(found, Command)  # noqa: S101  # narrows the type
    return found


def groups() -> Sequence[tuple[str, Sequence[Command]]]:
    """All commands by group; imports every one of them."""
    return [(title, [command(name) for name in names]) for title, names in GROUPS]


def no_arguments() -> Arguments:
    """The arguments of a command that was called without any."""
    return Arguments(json=False)
