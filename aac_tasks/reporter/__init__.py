"""Events → lines, a live view, or one JSON document. With ``cli`` the only place that prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TextIO

from aac_tasks.contracts.result import Event
from aac_tasks.reporter.lines import LineReporter, Style
from aac_tasks.reporter.machine import DocumentReporter
from aac_tasks.reporter.terminal import Lines, wants_annotations, wants_colour, wants_live
from aac_tasks.reporter.wording import marks_for
from aac_tasks.steps.redaction import redact_keys

Kind = Literal["auto", "plain", "live", "json", "quiet"]


class Reporter(Protocol):
    """Takes events from any thread until it is closed."""

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        ...

    def close(self, exit_code: int | None = None, *, abandoned: bool = False) -> None:
        """End the telling with a summary. ``exit_code`` None: what the events say.

        ``abandoned``: the run ended in an exception that is reported elsewhere; say nothing more.
        """
        ...


def make(  # noqa: PLR0913  # one entrance for every door; all but the kind are named
    kind: Kind,
    *,
    out: TextIO,
    err: TextIO,
    environment: Mapping[str, str],
    redact: Callable[[str], str] = redact_keys,
    clock: Callable[[], float] = time.monotonic,
    verbose: bool = False,
) -> Reporter:
    """The reporter of a kind.

    ``auto`` is a live view on a terminal and lines elsewhere (CI, TERM=dumb, a pipe); ``quiet`` says failures
    only. ``redact`` is applied to every text before it is shown (default: whatever looks like a key); ``clock`` counts seconds;
    ``verbose`` also says when a step starts. Where a CI service reads them, failures are annotations as well.
    """
    style = Style(marks_for(out.encoding), wants_colour(out, environment), quiet=kind == "quiet", verbose=verbose)
    made: Reporter
    if kind == "json":
        made = DocumentReporter(Lines(out), redact, clock)
    elif kind == "live" or (kind == "auto" and wants_live(out, err, environment)):
        from aac_tasks.reporter.live import LiveReporter  # rich is slow to import

        made = LiveReporter(out, style, redact, clock)
    else:
        made = LineReporter(Lines(out), Lines(err), style, redact, clock)
    if wants_annotations(environment):
        from aac_tasks.reporter.annotations import AnnotatingReporter  # only in CI

        return AnnotatingReporter(made, Lines(err), environment, redact)
    return made
