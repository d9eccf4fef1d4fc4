"""Deadlines and cancellation that work while a thread sits in connect, send or recv.

A socket's own timeout starts anew with every byte, so a server that drips one byte a second is never late.
Here one thread, alive only while requests are under way, shuts it down; the blocked call then returns.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from aac_tasks.errors import StepError

STALL = 60.0
"""Seconds without one byte of the body after which a download is given up, whatever its deadline."""

_TICK = 0.1


class HasFileno(Protocol):
    """A socket, a TLS socket or a TLS tunnel."""

    def fileno(self) -> int:
        """The file descriptor, -1 when closed."""
        ...


class Watch:
    """The limits of one request; ``ended`` tells why it ended: ``deadline``, ``stall`` or ``cancelled``."""

    def __init__(self, seconds: float, cancelled: threading.Event, *, stalls: bool) -> None:
        self.seconds = seconds
        self.ended = ""
        self._deadline = time.monotonic() + seconds
        self._stalls = stalls
        self._stall_at = self._deadline
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @property
    def remaining(self) -> float:
        """Seconds to the deadline, 0 when it is over."""
        return max(0.0, self._deadline - time.monotonic())

    def attach(self, connection: HasFileno) -> None:
        """Watch this connection from now on (and no other).

        The descriptor is duplicated: wrapping a socket in TLS empties the object it came from, and shutting
        down any duplicate ends the connection for all.
        """
        copy = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._swap(copy)
            if self.ended:
                _shut_down(copy)

    def touch(self) -> None:
        """A piece of the body arrived."""
        if self._stalls:
            self._stall_at = min(self._deadline, time.monotonic() + STALL)

    def verdict(self, now: float) -> str:
        """Why it has to end now, or an empty text."""
        if self._cancelled.is_set():
            return "cancelled"
        if now >= self._deadline:
            return "deadline"
        return "stall" if now >= self._stall_at else ""

    def end(self, why: str) -> None:
        """Make whatever blocks on the connection return."""
        with self._lock:
            self.ended = self.ended or why
            if self._socket is not None:
                _shut_down(self._socket)

    def pause(self, seconds: float) -> None:
        """Wait between two attempts; StepError when the run is cancelled meanwhile."""
        if self._cancelled.wait(min(seconds, self.remaining)):
            raise StepError("interrupted")

    def close(self) -> None:
        """Stop watching."""
        with self._lock:
            self._swap(None)

    def _swap(self, new: socket.socket | None) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = new


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed by the other side already
        connection.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Looks after all requests of one `Http`."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._active: set[Watch] = set()
        self._runs = False

    @contextlib.contextmanager
    def watching(self, seconds: float, *, stalls: bool) -> Iterator[Watch]:
        """A watch for one request; StepError when the run is cancelled already.

        ``stalls``: a body that stands still for `STALL` seconds ends it too.
        """
        if self._cancelled.is_set():
            raise StepError("interrupted")
        watch = Watch(seconds, self._cancelled, stalls=stalls)
        self._add(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._active.discard(watch)
            watch.close()

    def _add(self, watch: Watch) -> None:
        with self._lock:
            self._active.add(watch)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._look, name="http-deadlines", daemon=True).start()

    def _look(self) -> None:
        while True:
            now = time.monotonic()
            with self._lock:
                over = [(w, why) for w in self._active if (why := w.verdict(now))]
                self._active.difference_update(w for w, _ in over)
                idle = not self._active
                if idle:
                    self._runs = False
            for watch, why in over:
                watch.end(why)
            if idle:
                return
            self._cancelled.wait(_TICK)
