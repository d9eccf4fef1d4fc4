"""`agent cache`: how large the user's cache is, and making it smaller."""

from __future__ import annotations

from pathlib import Path

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import HELP, JSON, VERBOSE
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.codec import encode
from aac_tasks.errors import StepError, UsageError
from aac_tasks.reporter.wording import size
from aac_tasks.state.cleaning import parse_size, prune, stats
from aac_tasks.state.root import user_cache

MAX_SIZE = Flag(("--max-size",), "keep at most this much (10GB)", "SIZE", parse_size, default=10 * 1000**3)


def handle(args: Arguments, world: World) -> int:
    """``stats`` or ``prune``."""
    cache = user_cache(world.environment)
    if args.what not in ("stats", "prune"):
        raise UsageError(f"agent cache: {args.what!r} is nothing it can do; expected stats or prune")
    try:
        return _prune(cache, args, world) if args.what == "prune" else _stats(cache, args, world)
    except OSError as error:
        raise StepError(f"{error.filename or cache}: {error.strerror or error}", hint="is the cache yours?") from error


def _stats(cache: Path, args: Arguments, world: World) -> int:
    parts = stats(cache)
    total = sum(part.size for part in parts)
    if args.json:
        show.document(world, {"folder": str(cache), "size": total, "parts": encode(parts)})
        return 0
    show.table(world, ("PART", "FILES", "SIZE"), [(p.name, str(p.files), size(p.size)) for p in parts])
    show.line(world, f"{size(total)} in {cache}")
    return 0


def _prune(cache: Path, args: Arguments, world: World) -> int:
    done = prune(cache, args.max_size)
    if args.json:
        show.document(world, {"folder": str(cache), "files": done.files, "freed": done.freed, "left": done.left})
    else:
        show.line(world, f"removed {done.files} files, {size(done.freed)}; {size(done.left)} left in {cache}")
    return 0


COMMAND = Command(
    name="cache",
    summary="show or shrink the cache that all projects share",
    description=(
        "`agent cache prune` removes what was not used for longest. Nothing is lost for good: what a step "
        "needs again is fetched or made again. Let no build run meanwhile."
    ),
    handle=handle,
    arguments=(Argument("WHAT", "stats or prune"),),
    flags=(MAX_SIZE, JSON, VERBOSE, HELP),
    examples=("agent cache stats", "agent cache prune --max-size 2GB"),
)
