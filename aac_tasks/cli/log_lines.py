"""Reading a log: the last lines, those since a moment, and what is still to come."""

from __future__ import annotations

import datetime
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.world import World
from aac_tasks.reporter.wording import plain
from aac_tasks.steps.redaction import redact_keys

if TYPE_CHECKING:
    from aac_tasks.running import Instances

_AGO = re.compile(r"([0-9]+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
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
    """The first ISO 8601 time in a text, in UTC where it names no zone."""
    found = _STAMP.search(text) or re.fullmatch(r"\d{4}-\d\d-\d\d", text)
    if found is None:
        return None
    # Python 3.10 reads neither Z, a comma, a zone without colon, nor fractions of other than 3 or 6 digits
    stamp = re.sub(r"[.,]\d+", "", found[0]).replace("Z", "+00:00")
    stamp = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", stamp) if len(stamp) > 10 else stamp
    try:
        time = datetime.datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)


def since_moment(lines: Iterable[str], since: Moment | None) -> Iterator[str]:
    """Lines from the first one whose own time is not before ``since``; all when no line has a time."""
    kept = list(lines)
    if since is None:
        return iter(kept)
    timed = [(i, time) for i, line in enumerate(kept) if (time := parse_time(line[:200])) is not None]
    first = next((i for i, time in timed if time >= since.time), len(kept) if timed else 0)
    return iter(kept[first:])


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
        for line in tail(since_moment(text.splitlines(), part.since), part.last):
            show.line(world, line)
        while not over():
            status = instances.status(name)  # asked before reading: what was written until the end is still shown
            more = stream.read()
            show.text(world, redact_keys(more.decode(errors="replace")))
            if status.state != "running" and not more:
                return status.exit_code
            if not more:
                instances.sleep(EVERY)
    return None
