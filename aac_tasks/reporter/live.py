"""Events as a moving view on a terminal: what runs now at the bottom, what is finished scrolls up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from aac_tasks.contracts.result import Event
from aac_tasks.reporter.lines import Style, progress
from aac_tasks.reporter.tally import Tally, redacted
from aac_tasks.reporter.terminal import Lines
from aac_tasks.reporter.wording import agent_first, duration, plain

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

ROWS = 12
"""At most so many running steps are shown; the rest is counted."""


class LiveReporter:
    """A rich live view, from the first step that starts; before, and where all is fresh, only lines."""

    def __init__(self, out: TextIO, style: Style, redact: Callable[[str], str], clock: Callable[[], float]) -> None:
        self._out = out
        self._style = style
        self._redact = redact
        self._clock = clock
        self._began = clock()
        self._running: dict[str, tuple[float, str]] = {}
        self._tally = Tally()
        self._lock = threading.RLock()  # not held while printing: rich asks for the view from its own thread
        self._live: Live | None = None
        self._closed = False

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        event = redacted(event, self._redact)
        with self._lock:
            self._tally.add(event)
            lines = self._take(event)
            starts = self._live is None and bool(self._running) and not self._closed
            if starts:
                self._live = self._made()
        if starts and self._live is not None:
            self._live.start()
        self._print(lines)

    def close(self, exit_code: int | None = None, *, abandoned: bool = False) -> None:
        """Give the terminal back, then say the summary."""
        with self._lock:
            live, closed, self._closed = self._live, self._closed, True
            lines = self._tally.lines(self._clock() - self._began, self._style.marks)
        if live is not None:
            live.stop()
        if not closed and not abandoned:
            self._print(lines)

    def _made(self) -> Live:
        # rich costs 60 ms to import: only who looks at a live view pays for it
        from rich.console import Console
        from rich.live import Live

        console = Console(
            file=self._out,
            force_terminal=True,
            no_color=not self._style.colour,
            highlight=False,
            markup=False,
        )
        live = Live(console=console, get_renderable=self._view, transient=True, refresh_per_second=10)
        return live

    def _take(self, event: Event) -> list[str]:
        """Change what is shown as running; the answer is what scrolls up."""
        if event.type == "start":
            self._running[event.step] = (self._clock(), "")
        elif event.type == "progress":
            since = self._running.get(event.step, (self._clock(), ""))[0]
            self._running[event.step] = (since, progress(event))
        elif event.type in ("done", "cached", "fresh", "failed"):
            self._running.pop(event.step, None)
            return self._style.outcome(event, self._tally.crowd(event))
        elif event.type in ("output", "note", "plan", "summary"):
            prefix = f"{agent_first(event.step)} | " if event.step else ""
            return [prefix + line for line in plain(event.text).splitlines()]
        return []

    def _print(self, lines: list[str]) -> None:
        if not lines:
            return
        if self._live is None:
            Lines(self._out).write("\n".join(lines))
            return
        from rich.text import Text  # loaded already: the view has started

        self._live.console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)

    def _view(self) -> Table:
        from rich.spinner import Spinner  # as above
        from rich.table import Table
        from rich.text import Text

        table, dim = Table.grid(padding=(0, 1)), "dim" if self._style.colour else ""
        with self._lock:
            running = sorted(self._running.items(), key=lambda item: item[1][0])
        now = self._clock()
        for step, (since, text) in running[:ROWS]:
            spinner = Spinner("dots")
            spinner.start_time = since  # else each new view would show the first frame again
            took = Text(duration(now - since), style=dim)
            table.add_row(spinner, Text(step), Text(text, style=dim, no_wrap=True), took)
        if len(running) > ROWS:
            table.add_row("", Text(f"and {len(running) - ROWS} more", style=dim), "", "")
        return table
