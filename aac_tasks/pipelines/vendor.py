"""What every pipeline is made of."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEAD = "# Written by `agent ci"
MOST_JOBS = 200
"""Jobs of one pipeline: GitHub takes 256 of a matrix. With more agents than that, a job takes several."""

JUNIT = ".aac/agents/*/test/junit.xml"
"""Where step test leaves its reports, from the state root."""

NOTHING = "no agent is affected"
"""What the one job of a pipeline without agents says."""


@dataclass(frozen=True)
class Wish:
    """What a pipeline is to do. ``folder`` is the state root as seen from the repository's top, "" when it is that.

    ``install`` are words for pip; ``machine`` is what jobs run on, "" for the vendor's usual one.
    """

    install: tuple[str, ...]
    branch: str = "main"
    machine: str = ""
    folder: str = ""
    push: bool = False
    allow_host: bool = False

    def head(self, vendor: str) -> str:
        """The first lines of a file of ours: how it was asked for."""
        return f"{HEAD} {self.words(vendor)}`; `--check` there says whether it still is what that writes.\n"

    def words(self, vendor: str) -> str:
        """The words behind `agent ci` that ask for this again."""
        flags = [word for requirement in self.install[1:] for word in ("--install", requirement)]
        flags += ["--branch", self.branch] if self.branch != "main" else []
        flags += ["--machine", self.machine] if self.machine else []
        flags += [flag for flag, said in (("--push", self.push), ("--allow-host", self.allow_host)) if said]
        return shlex.join((vendor, *flags))

    @property
    def pip(self) -> str:
        """The command line that brings `agent`."""
        return f"pip install {shlex.join(self.install)}"

    def below(self, path: str) -> str:
        """A path of the state root, from the repository's top."""
        return f"{self.folder}/{path}" if self.folder else path


@dataclass(frozen=True)
class Share:
    """One job's agents, and its name."""

    name: str
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Vendor:
    """``write`` makes the file, ``jobs`` the part that depends on what changed, which the file's first job asks for."""

    name: str
    title: str
    file: str
    write: Callable[[Wish], str]
    jobs: Callable[[Sequence[Share], Wish], str]


def shares(agents: Sequence[str], most: int = MOST_JOBS) -> tuple[Share, ...]:
    """One agent a job, or as few as ``most`` jobs allow; neighbours stay together."""
    size = -(-len(agents) // most) or 1
    parts = [tuple(agents[at : at + size]) for at in range(0, len(agents), size)]
    return tuple(Share(part[0] if len(part) == 1 else f"{part[0]}-and-{len(part) - 1}-more", part) for part in parts)


def is_ours(text: str) -> bool:
    """Whether a file was written by `agent ci`, so that it may be written again."""
    return text.startswith(HEAD)
