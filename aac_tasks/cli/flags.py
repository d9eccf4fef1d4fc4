"""The flags that several commands share, and what they mean for a session."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.cli.declare import Argument, Flag
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.image import Platform
from aac_tasks.errors import UsageError
from aac_tasks.settings import at_once

if TYPE_CHECKING:
    from aac_tasks.session import Options


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a number of 1 or more")
    return int(text)


def job_count(text: str) -> int:
    """A number, or ``auto``."""
    return at_once() if text == "auto" else count(text)


def commit(text: str) -> str:
    """What git may know a commit by."""
    if not text.strip():
        raise ValueError("no commit is named; expected a branch, a tag or a commit, as in origin/main")
    return text


def platform(text: str) -> str:
    """``os/architecture``, or several with commas, checked."""
    for one in text.split(","):
        Platform.of_image(one)
    return text


AGENTS = Argument("AGENT", "an agent's name, a wildcard, or a folder; all agents when there is none", "many")

FOLDER = Flag(("-C", "--directory"), "work as if started in DIR", "DIR")
PROFILE = Flag(("--profile",), "apply this overlay of spec.profiles (dev, staging, prod …)", "NAME", default="")
REGISTRY_PROFILE = Flag(
    ("--registry-profile",), "take registry and builder, where nothing else names them, from this profile of yours", "NAME",
    default="",
)  # fmt: skip
PLATFORM = Flag(
    ("--platform",), "plan for this platform, not build.platforms; several with commas, or given again", "OS/ARCH", platform,
    default=(), repeat=True,
)  # fmt: skip
OF_PLATFORM = Flag(
    ("--platform",), "only what is for this platform; several with commas, or given again", "OS/ARCH", platform,
    default=(), repeat=True,
)  # fmt: skip
OFFLINE = Flag(("--offline",), "use no network")
LOCKED = Flag(("--locked",), "refuse to change agent.lock (the default when CI=true)")
BUILDER = Flag(("--builder",), "build with this builder, where agent.lock names none", "NAME", default="")
RUNNER = Flag(("--runner",), "test and run with this runner instead of the first that works", "NAME", default="")
ALLOW_HOST = Flag(("--allow-host",), "accept the runner `host`: a process with limits, not a container")
JOBS = Flag(
    ("-n", "--jobs"), "run up to N steps at once, auto: one a processor and one more ([tool.aac] jobs, else 1)", "N", job_count
)  # fmt: skip
EXECUTOR = Flag(
    ("--executor",), "have the machines of a cluster build and test (dask://HOST:PORT; [tool.aac] executor)", "URL", default="",
)  # fmt: skip
SINCE = Flag(
    ("--since",), "only agents that a change since this git commit concerns, committed or not", "REF", commit
)  # fmt: skip
KEEP_GOING = Flag(("-k", "--keep-going"), "after a failure, still run what does not depend on it")
NO_CACHE = Flag(("--no-cache",), "build every layer anew, and have the engine do so too")
DRY_RUN = Flag(("--dry-run",), "say what would run and why, and run nothing")
JSON = Flag(("--json",), "print one JSON document")
QUIET = Flag(("-q", "--quiet"), "say failures only")
VERBOSE = Flag(("-v", "--verbose"), "also say when a step starts; show the traceback of a bug")
HELP = Flag(("-h", "--help"), "show this help")

PLACE = (FOLDER, PROFILE, REGISTRY_PROFILE, VERBOSE, HELP)
"""Flags of every command that reads a workspace."""

LOOK = (JSON, OFFLINE, *PLACE)
"""Flags of commands that only look."""

LOOK_AHEAD = (JSON, PLATFORM, OFFLINE, *PLACE)
"""Flags of commands that look at what a run would do."""

WORK = (
    DRY_RUN, KEEP_GOING, JOBS, EXECUTOR, LOCKED, OFFLINE, PLATFORM, BUILDER, RUNNER, ALLOW_HOST, JSON, QUIET, *PLACE,
)  # fmt: skip
"""Flags of commands that run steps."""

WORK_ON_MANY = (SINCE, *WORK)
"""Flags of commands that run steps of any number of agents."""


def folder(args: Arguments, world: World) -> Path:
    """The folder that a command works in; UsageError when there is none."""
    chosen = world.folder / (getattr(args, "directory", None) or "")
    if not chosen.is_dir():
        raise UsageError(f"-C {args.directory}: no such folder")
    return chosen


def platforms(args: Arguments) -> tuple[Platform, ...]:
    """Those of --platform."""
    return tuple(Platform.parse(one) for text in getattr(args, "platform", ()) for one in text.split(","))


def options(args: Arguments, world: World) -> Options:
    """What the flags ask of a session; flags that a command does not have keep their defaults."""
    from aac_tasks.session import Options, with_environment  # --help must not pay for it

    chosen = Options(
        cwd=folder(args, world),
        profile=getattr(args, "profile", ""),
        platforms=tuple(str(one) for one in platforms(args)),
        offline=getattr(args, "offline", False),
        locked=getattr(args, "locked", False),
        builder=getattr(args, "builder", ""),
        runner=getattr(args, "runner", ""),
        registry_profile=getattr(args, "registry_profile", ""),
        all_tags=getattr(args, "all_tags", False),
        allow_host=getattr(args, "allow_host", False),
        no_cache=getattr(args, "no_cache", False),
        executor=getattr(args, "executor", ""),
        keep_going=getattr(args, "keep_going", False),
    )
    return with_environment(chosen, world.environment)
