"""`agent cache`: how large the user's cache is, or the shared one, making it smaller, and whether it is whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import FOLDER, HELP, JSON, VERBOSE
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.codec import encode
from aac_tasks.errors import StepError, UsageError
from aac_tasks.reporter.wording import size
from aac_tasks.state.cleaning import parse_size, prune, stats, verify
from aac_tasks.state.root import user_cache

if TYPE_CHECKING:
    from aac_tasks.settings import SharedPlace
    from aac_tasks.sharing import Sharing

MAX_SIZE = Flag(("--max-size",), "keep at most this much (10GB)", "SIZE", parse_size, default=10 * 1000**3)
SHARED = Flag(("--shared",), "the shared cache of this workspace instead of your own")


def handle(args: Arguments, world: World) -> int:
    """``stats``, ``prune`` or ``verify``."""
    if args.what not in OWN:
        raise UsageError(f"agent cache: {args.what!r} is nothing it can do; expected stats, prune or verify")
    return _shared(args, world) if args.shared else _of_folder(user_cache(world.environment), args, world)


def _of_folder(folder: Path, args: Arguments, world: World) -> int:
    try:
        return OWN[args.what](folder, args, world)
    except OSError as error:
        raise StepError(f"{error.filename or folder}: {error.strerror or error}", hint="is the cache yours?") from error


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
    what = f"{done.files} files, {size(done.freed)}" if done.files else f"nothing, for --max-size is {size(args.max_size)}"
    if args.json:
        show.document(world, {"folder": str(cache), "files": done.files, "freed": done.freed, "left": done.left})
    else:
        show.line(world, f"removed {what}; {size(done.left)} left in {cache}")
    return 0


def _verify(cache: Path, args: Arguments, world: World) -> int:
    done = verify(cache)
    if args.json:
        show.document(world, {"folder": str(cache), "files": done.files, "damaged": dict(done.damaged)})
    else:
        for name, why in done.damaged.items():
            show.line(world, f"removed {name}: {why}")
        show.line(world, f"{done.files} files read, {len(done.damaged)} damaged, in {cache}")
    return 1 if done.damaged else 0


OWN: Mapping[str, Callable[[Path, Arguments, World], int]] = {"stats": _stats, "prune": _prune, "verify": _verify}


def _shared(args: Arguments, world: World) -> int:
    with looking(args, world) as session:
        if session.sharing is None:
            raise UsageError("this workspace has no shared cache; name one in [tool.aac.cache] place, or in AAC_SHARED_CACHE")
        place = next(iter(session.sharing.places.values()))
        if args.what == "verify":
            return _verify_shared(session.sharing, place, args, world)
        if place.folder is not None:
            return _of_folder(place.folder, args, world)
        if args.what == "prune":
            raise UsageError(f"{place.name} is in a registry, which has tools of its own to remove tags and what they hold")
        count = sum(1 for _ in session.sharing.store(place).names())
    if args.json:
        show.document(world, {"place": place.name, "entries": count})
    else:
        show.line(world, f"{count} entries in {place.name}")
    return 0


def _verify_shared(sharing: Sharing, place: SharedPlace, args: Arguments, world: World) -> int:
    """Nothing is removed: others may be reading."""
    found = list(sharing.problems(place))
    if args.json:
        show.document(world, {"place": place.name, "problems": [{"entry": name, "problem": why} for name, why in found]})
    else:
        for name, why in found:
            show.line(world, f"entry {name[:12]}: {why}")
        show.line(world, f"{len(found)} problems in {place.name}")
    return 1 if found else 0


COMMAND = Command(
    name="cache",
    summary="show, shrink or verify the cache that all projects share",
    description=(
        "`agent cache prune` removes what was not used for longest, `agent cache verify` what is damaged. Nothing is lost for "
        "good: what a step needs again is fetched or made again. Let no build run meanwhile. With --shared it is the cache "
        "that several machines share; of that one, `verify` only tells."
    ),
    handle=handle,
    arguments=(Argument("WHAT", "stats, prune or verify"),),
    flags=(SHARED, MAX_SIZE, FOLDER, JSON, VERBOSE, HELP),
    examples=("agent cache stats", "agent cache prune --max-size 2GB", "agent cache verify --shared"),
)
