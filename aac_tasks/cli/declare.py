"""A command said once: parser, help text and reference page are all made from these values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from aac_tasks.cli.world import Arguments, World


@dataclass(frozen=True)
class Flag:
    """One flag. Without ``metavar`` it is a switch; ``read`` makes its text a value, or ValueError."""

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    read: Callable[[str], object] = str
    default: object = None
    repeat: bool = False

    @property
    def dest(self) -> str:
        """The attribute it ends up as: its long name."""
        return next((n for n in self.names if n.startswith("--")), self.names[0]).lstrip("-").replace("-", "_")

    @property
    def shown(self) -> str:
        """``-n, --jobs N``."""
        return ", ".join(self.names) + (f" {self.metavar}" if self.metavar else "")


@dataclass(frozen=True)
class Argument:
    """One positional argument; ``many`` may be none at all."""

    name: str
    help: str
    count: Literal["one", "maybe", "many"] = "one"

    @property
    def dest(self) -> str:
        """The attribute it ends up as."""
        return self.name.lower()

    @property
    def shown(self) -> str:
        """``NAME``, ``[NAME]`` or ``[NAME...]``."""
        return {"one": self.name, "maybe": f"[{self.name}]", "many": f"[{self.name}...]"}[self.count]


@dataclass(frozen=True)
class Command:
    """One word behind `agent`. ``handle`` returns the exit code. ``rest`` names what may follow ``--``."""

    name: str
    summary: str
    handle: Callable[[Arguments, World], int]
    description: str = ""
    arguments: tuple[Argument, ...] = ()
    flags: tuple[Flag, ...] = ()
    examples: tuple[str, ...] = field(default=())
    rest: str = ""

    @property
    def usage(self) -> str:
        """``agent build [AGENT...] [flags]``."""
        words = ["agent", self.name, *(a.shown for a in self.arguments), *(["[flags]"] if self.flags else [])]
        return " ".join([*words, *([f"[-- {self.rest}...]"] if self.rest else [])])
