"""Events as one JSON document, written at the end: for programs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from aac_tasks.contracts.result import Event
from aac_tasks.reporter.tally import Tally, redacted
from aac_tasks.reporter.terminal import Lines


class DocumentReporter:
    """Prints the `Tally`'s document when it is closed with an exit code."""

    def __init__(self, out: Lines, redact: Callable[[str], str], clock: Callable[[], float]) -> None:
        self._out = out
        self._redact = redact
        self._clock = clock
        self._began = clock()
        self._tally = Tally()
        self._lock = threading.Lock()
        self._closed = False

    def __call__(self, event: Event) -> None:
        """Keep one event."""
        event = redacted(event, self._redact)
        with self._lock:
            self._tally.add(event)

    def close(self, exit_code: int | None = None, *, abandoned: bool = False) -> None:
        """Print the document; nothing when abandoned: the error's document is another one."""
        with self._lock:
            closed, self._closed = self._closed, True
            if not closed and not abandoned:
                code = self._tally.exit_code if exit_code is None else exit_code
                document = self._tally.document(code, self._clock() - self._began)
                self._out.write(json.dumps(document, indent=2, ensure_ascii=False))
