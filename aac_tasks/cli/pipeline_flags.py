"""What the flags of `agent ci` make of a pipeline."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import aac_tasks
from aac_tasks.cli.declare import Flag
from aac_tasks.cli.flags import ALLOW_HOST
from aac_tasks.cli.world import Arguments
from aac_tasks.errors import UsageError
from aac_tasks.pipelines import VENDORS, Vendor, Wish

_WORD = re.compile(r"[\w./:@=<>~!,\[\]+-]+")
"""What branches, machines and requirements are made of: none of it means anything to a shell within quotes."""


def word(text: str) -> str:
    """A name without blanks, quotes and the like."""
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} is no name; expected letters, digits and ./:@=<>~!,[]+-")
    return text


INSTALL = Flag(("--install",), "what pip installs beside aac-tasks, as plugins of yours", "REQUIREMENT", word, repeat=True)
BRANCH = Flag(("--branch",), "the branch that is tested and pushed beside merge requests", "NAME", word, default="main")
MACHINE = Flag(
    ("--machine",), "what jobs run on: a runner's label (GitHub), an image (the others)", "NAME", word
)  # fmt: skip
PUSH = Flag(("--push",), "push images from that branch once their tests passed")

WISHES = (BRANCH, MACHINE, INSTALL, PUSH, ALLOW_HOST)


def vendor_of(name: str) -> Vendor:
    """The service of that name; UsageError with the nearest."""
    if name in VENDORS:
        return VENDORS[name]
    near = difflib.get_close_matches(name, VENDORS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"agent ci: unknown service {name!r}{hint} (there are: {', '.join(VENDORS)})")


def wish_of(args: Arguments, root: Path, top: Path) -> Wish:
    """For the state root ``root`` of the repository ``top``."""
    below = root.relative_to(top).as_posix()
    return Wish(
        install=(f"aac-tasks=={aac_tasks.__version__}", *args.install),
        branch=args.branch,
        machine=args.machine or "",
        folder="" if below == "." else below,
        push=args.push,
        allow_host=args.allow_host,
    )
