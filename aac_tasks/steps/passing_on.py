"""Signals that come to us and are meant for an agent."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
FROM_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""Those that a key sends to everybody in the foreground, the child included."""


@contextlib.contextmanager
def passed_on(send: Callable[[int], None]) -> Iterator[None]:
    """While inside, signals go to a child in our own process group, and do nothing to us."""
    with handled(lambda number: None if number in FROM_THE_TERMINAL else send(number)):
        yield


@contextlib.contextmanager
def handled(take: Callable[[int], None]) -> Iterator[None]:
    """While inside, ``take`` gets the numbers of signals. In another thread than the main one they are left as they are."""

    def handle(number: int, frame: FrameType | None) -> None:
        take(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
