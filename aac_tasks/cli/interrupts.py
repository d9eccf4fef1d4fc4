"""SIGINT and SIGTERM while steps run: the run is cancelled, children end, and what was finished is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came; handled as Ctrl-C is, with an exit code of its own."""


@contextmanager
def interruptible(cancel: Callable[[], None]) -> Iterator[None]:
    """While inside, each of the two signals calls ``cancel`` and raises in the main thread.

    Outside of the main thread (an embedding program) signals are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        cancel()
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
