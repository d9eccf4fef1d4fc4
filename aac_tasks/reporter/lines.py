"""Events as lines: for pipes, CI logs, dumb terminals and people who want no moving view."""

from __future__ import annotations

import threading
from collections.abc import Callable

from aac_tasks.contracts.result import Event
from aac_tasks.reporter.tally import Tally, redacted
from aac_tasks.reporter.terminal import Lines, paint
from aac_tasks.reporter.wording import Marks, agent_first, duration, plain, sentence, size

PROGRESS_EVERY = 5.0
"""Seconds between two progress lines of one step."""

_COLOUR = {"done": "green", "cached": "green", "fresh": "dim", "failed": "red"}


class LineReporter:
    """One line per finished step and the summary on ``out``; output, notes and rare progress on ``err``."""

    def __init__(self, out: Lines, err: Lines, style: Style, redact: Callable[[str], str], clock: Callable[[], float]) -> None:
        self._out = out
        self._err = err
        self._style = style
        self._redact = redact
        self._clock = clock
        self._began = clock()
        self._told: dict[str, float] = {}
        self._tally = Tally()
        self._lock = threading.Lock()
        self._closed = False

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        event = redacted(event, self._redact)
        with self._lock:
            self._tally.add(event)
            self._tell(event)

    def close(self, exit_code: int | None = None, *, abandoned: bool = False) -> None:
        """Say the summary."""
        with self._lock:
            closed, self._closed = self._closed, True
            if closed or abandoned or self._style.quiet:
                return
            for line in self._tally.lines(self._clock() - self._began, self._style.marks):
                self._out.write(line)

    def _tell(self, event: Event) -> None:
        if event.type in _COLOUR:
            self._told.pop(event.step, None)
            self._tell_outcome(event)
        elif event.type == "start":
            self._told[event.step] = self._clock()
            if self._style.verbose:
                self._err.write(f"{agent_first(event.step)} | started")
        elif event.type == "progress":
            self._tell_progress(event)
        elif event.type == "output":
            self._prefixed(event)
        elif event.type in ("note", "plan", "summary") and not self._style.quiet:
            self._tell_note(event)

    def _tell_outcome(self, event: Event) -> None:
        if event.type == "failed" or not self._style.quiet:
            target = self._err if self._style.quiet else self._out
            for line in self._style.outcome(event, self._tally.crowd(event)):
                target.write(line)

    def _tell_progress(self, event: Event) -> None:
        now = self._clock()
        last = self._told.setdefault(event.step, self._began)
        if not self._style.quiet and now - last >= PROGRESS_EVERY:
            self._told[event.step] = now
            self._err.write(f"{agent_first(event.step)} | {progress(event)}")

    def _prefixed(self, event: Event) -> None:
        if self._style.quiet:
            return
        for line in plain(event.text).splitlines():
            prefix = f"{agent_first(event.step)} | " if event.step else ""
            self._err.write(paint(prefix, "dim", self._style.colour) + line)

    def _tell_note(self, event: Event) -> None:
        for line in plain(event.text).splitlines():
            self._err.write(f"{agent_first(event.step)} | {line}" if event.step else line)


class Style:
    """How an outcome looks: signs, colours, quiet or not."""

    def __init__(self, marks: Marks, colour: bool, quiet: bool = False, verbose: bool = False) -> None:
        self.marks = marks
        self.colour = colour
        self.quiet = quiet
        self.verbose = verbose

    def outcome(self, event: Event, crowd: list[str] | None = None) -> list[str]:
        """``✓ image:hello  sha256:… 12.3 MB  1.2 s``; further lines are indented. ``crowd``: see `Tally.crowd`."""
        if crowd is not None and not self.verbose:
            return [paint(line, "dim", self.colour) for line in crowd]
        first, *rest = sentence(event, self.marks.ellipsis).splitlines() or [""]
        took = f"  {duration(event.seconds)}" if event.seconds and event.type != "fresh" else ""
        line = f"{self.marks.of(event.type)} {event.step}  {first}{took}"
        return [paint(line, _COLOUR[event.type], self.colour), *(f"  {text}" for text in rest)]


def progress(event: Event) -> str:
    """``pulling layer 3.0 MB of 12.0 MB (25 %)``: counts in ``data`` are bytes, or ``unit`` of them."""
    done, total = (event.data.get(name) for name in ("done", "total"))
    text = plain(event.text).strip()
    if not isinstance(done, (int, float)) or not done:
        return text
    unit = event.data.get("unit")
    show: Callable[[float], str] = (lambda n: f"{n:g} {unit}") if isinstance(unit, str) and unit else size
    if isinstance(total, (int, float)) and total:
        return f"{text} {show(done)} of {show(total)} ({min(100, int(100 * done / total))} %)"
    return f"{text} {show(done)}"
