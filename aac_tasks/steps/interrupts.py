"""SIGINT and SIGTERM while steps run: the run is cancelled, children end, and what was finished is kept. A second signal
ends at once: children are killed, and nothing is waited for. So does a run that has not ended long after the first.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""128 + the signal's number, as a shell reports it."""

AT_ONCE = 2.0
"""Seconds that killing children may take after the second signal."""

LATEST = 45.0
"""Seconds after the first signal in which a run has ended: longer than all that cleaning up may take."""

KEPT = "what was finished is kept, and the next run goes on from there"


class Cancellation(threading.Event):
    """Whether the run is cancelled; for those who wait and do not want to any longer.

    Signal handlers set it. One of `threading.Event` holds a lock while it waits and while it is set, so a handler that
    interrupts its own thread there would wait for itself for ever; here nobody holds a lock that another one takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._came = False
        self._waiting: deque[threading.Lock] = deque()

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._came

    def set(self) -> None:
        """From now on; whoever waits goes on."""
        self._came = True
        for waiter in list(self._waiting):
            with suppress(RuntimeError):  # it was let go already
                waiter.release()

    def clear(self) -> None:
        """As if it had never been set."""
        self._came = False

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is set, for at most ``timeout`` s; whether it is set."""
        waiter = threading.Lock()
        waiter.acquire()
        self._waiting.append(waiter)  # before it looks: whoever sets it later finds it here
        try:
            if not self._came:
                waiter.acquire(timeout=-1 if timeout is None else max(0.0, timeout))
            return self._came
        finally:
            self._waiting.remove(waiter)


class Terminated(KeyboardInterrupt):
    """SIGTERM came; handled as Ctrl-C is, with an exit code of its own."""


def raise_interrupt(number: int) -> None:
    """What a command line does: the exception that Python knows for it."""
    if number == signal.SIGTERM:
        raise Terminated(f"terminated; {KEPT}")
    raise KeyboardInterrupt(f"interrupted; {KEPT}")


def raise_exit(number: int) -> None:
    """For a program that is not ours (doit) and would show a traceback of KeyboardInterrupt."""
    raise SystemExit(CODES[signal.Signals(number)])


def install(
    cancel: Callable[[], None], kill: Callable[[], None], leave: Callable[[int], None], came: list[int] | None = None
) -> Callable[[], None]:
    """Handle both signals from now on; what is given back puts things as they were.

    The first calls ``cancel`` and then ``leave`` (which raises) in the main thread, the second ``kill`` and ends the
    process, as does the end of `LATEST`; ``came`` collects their numbers. Outside of the main thread (an embedding program)
    signals are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    came = [] if came is None else came

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            _end(number, kill)
        _thread.start_new_thread(_end_late, (number, kill))
        cancel()
        leave(number)

    before = {number: signal.signal(number, handle) for number in CODES}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


@contextmanager
def interruptible(cancel: Callable[[], None], kill: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While inside, each of the two signals calls ``cancel`` and raises in the main thread; see `install`.

    Whatever was raised or returned after a signal came, by cleaning up that was cut short, the interrupt is the outcome.
    """
    came: list[int] = []
    restore = install(cancel, kill, raise_interrupt, came)
    try:
        yield
    except BaseException:
        if came:
            raise_interrupt(came[0])
        raise
    else:
        if came:
            raise_interrupt(came[0])
    finally:
        if not came:  # else the process is about to end, and a second signal is still to end it at once
            restore()


def _end(number: int, kill: Callable[[], None]) -> None:
    """In a thread of its own: the main thread may hold the very lock that ``kill`` needs, or one that `threading` needs to
    start a thread.
    """
    done = threading.Lock()
    done.acquire()

    def work() -> None:
        try:
            kill()
        finally:
            done.release()

    _thread.start_new_thread(work, ())
    done.acquire(timeout=AT_ONCE)
    os._exit(CODES[signal.Signals(number)])


def _end_late(number: int, kill: Callable[[], None]) -> None:
    """A signal raises wherever the main thread is, in libraries too, and may leave a lock of theirs locked for ever."""
    time.sleep(LATEST)
    import faulthandler  # lazy: only for a bug

    said = f"error: it did not end within {LATEST:g} s of the signal, so it is ended now; please report what its threads did:\n"
    os.write(2, said.encode())
    faulthandler.dump_traceback(2, all_threads=True)
    _end(number, kill)
