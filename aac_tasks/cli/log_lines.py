"""Reading a log: the last lines, those since a moment, and what is still to come."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.world import World
from aac_tasks.reporter.terminal import Lines
from aac_tasks.reporter.wording import plain
from aac_tasks.steps.redaction import redact_keys

if TYPE_CHECKING:
    from aac_tasks.running import Instances

_AGO = re.compile(r"([0-9]+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?")
_BEGINS = re.compile(rf"\s*[\[(<]?(?:(?:time|timestamp|ts)=)?\"?({_STAMP.pattern})(?!\d)")
_FIELDS = ("time", "timestamp", "@timestamp", "ts")
"""Where a line that is a JSON object has its time."""

EVERY = 0.2
"""Seconds between two looks at a log that is followed."""


class Moment:
    """A point in time: ``10m`` ago, or ISO 8601 (UTC unless it says otherwise)."""

    def __init__(self, text: str, now: datetime.datetime | None = None) -> None:
        ago = _AGO.fullmatch(text)
        now = now or datetime.datetime.now(datetime.timezone.utc)
        if ago:
            self.time = now - datetime.timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
            return
        found = parse_time(text)
        if found is None:
            raise ValueError(f"{text!r} is not a time; expected 90s, 10m, 2h, 1d or 2026-01-31T12:00Z")
        self.time = found


def parse_time(text: str) -> datetime.datetime | None:
    """An ISO 8601 time or date, in UTC where it names no zone."""
    if not (_STAMP.fullmatch(text) or re.fullmatch(r"\d{4}-\d\d-\d\d", text)):
        return None
    # Python 3.10 reads neither Z, a comma, a zone without colon, nor fractions of other than 3 or 6 digits
    stamp = re.sub(r"[.,]\d+", "", text).replace("Z", "+00:00")
    stamp = re.sub(r" ?([+-]\d\d):?(\d\d)$", r"\1:\2", stamp) if len(stamp) > 10 else stamp
    try:
        time = datetime.datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)


def time_of(line: str) -> datetime.datetime | None:
    """The time that a line begins with, or that is a field of it where it is a JSON object; any other is what it speaks of."""
    if line.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            fields = json.loads(line)
            return next((time for key in _FIELDS if (time := parse_time(str(fields.get(key)))) is not None), None)
    found = _BEGINS.match(line)
    return parse_time(found[1]) if found else None


def since_moment(lines: Iterable[str], since: Moment | None, unknown: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Lines from the first one whose own time is not before ``since``; all when no line has a time, which is ``unknown``."""
    kept = list(lines)
    if since is None:
        return iter(kept)
    timed = [(i, time) for i, line in enumerate(kept) if (time := time_of(line)) is not None]
    if kept and not timed:
        unknown()
    first = next((i for i, time in timed if time >= since.time), len(kept) if timed else 0)
    return iter(kept[first:])


def timeless(world: World) -> None:
    """Say that a log can't tell since when its lines are there."""
    Lines(world.err).write("--since: no line of this log begins with a time, so all of it is shown")


def tail(lines: Iterable[str], count: int | None) -> Iterable[str]:
    """The last ``count`` lines, or all."""
    return lines if count is None else deque(lines, maxlen=count)


def read(instances: Instances, name: str) -> Iterator[str]:
    """A log's lines, without what could steer a terminal."""
    with instances.logs(name) as stream:
        for raw in stream:
            yield redact_keys(plain(raw.decode(errors="replace"))).rstrip("\n")


@dataclass(frozen=True)
class Part:
    """Which part of a log: its ``last`` lines, those ``since`` a moment."""

    last: int | None = None
    since: Moment | None = None


def follow(
    instances: Instances, name: str, world: World, part: Part | None = None, over: Callable[[], bool] = lambda: False
) -> int | None:
    """Print a log until its instance ends or it is ``over``; the instance's exit code, where that is known."""
    part = part or Part()
    with instances.logs(name) as stream:
        text = redact_keys(plain(stream.read().decode(errors="replace")))
        for line in tail(since_moment(text.splitlines(), part.since, lambda: timeless(world)), part.last):
            show.line(world, line)
        return go_on(instances, name, ((stream, world),), over)


def attend(instances: Instances, name: str, world: World, over: Callable[[], bool]) -> int | None:
    """As `follow`, from the beginning; what it says on stderr is on ours, where the streams are told apart."""
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(stream) for stream in instances.streams(name)]
        return go_on(instances, name, tuple(zip(streams, (world, replace(world, out=world.err)), strict=False)), over)


def go_on(
    instances: Instances, name: str, streams: Sequence[tuple[IO[bytes], World]], over: Callable[[], bool]
) -> int | None:
    """Print what comes on streams, each where it belongs, until the instance ends."""
    while not over():
        status = instances.status(name)  # asked before reading: what was written until the end is still shown
        pieces = [stream.read() for stream, _ in streams]
        for piece, (_, world) in zip(pieces, streams, strict=True):
            show.text(world, redact_keys(piece.decode(errors="replace")))
        if not any(pieces):
            if status.state != "running":
                return status.exit_code
            instances.sleep(EVERY)
    return None
