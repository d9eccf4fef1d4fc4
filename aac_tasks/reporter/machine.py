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

    def __call__(self, event: Event) -> None:
        """Keep one event."""
        event = redacted(event, self._redact)
        with self._lock:
            self._tally.add(event)

    def close(self, exit_code: int | None = None) -> None:
        """Print the document; nothing when the run ended in an exception, whose document is another one."""
        with self._lock:
            if exit_code is not None:
                document = self._tally.document(exit_code, self._clock() - self._began)
                self._out.write(json.dumps(document, indent=2, ensure_ascii=False))
