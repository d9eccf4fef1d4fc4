"""Read a child's stdout and stderr and feed its stdin at once, without threads and without deadlock."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable
from typing import IO

CHUNK = 1 << 16

PATIENCE = 1.0
"""Seconds to go on reading after the child ended, when something that it left behind holds its pipes."""


class Capture:
    """A child's three pipes. ``ended`` says whether the child itself is over; ``tell`` gets whole lines."""

    def __init__(
        self,
        pipes: tuple[IO[bytes] | None, IO[bytes], IO[bytes]],
        data: bytes,
        ended: Callable[[], bool],
        tell: Callable[[str], None] | None,
    ) -> None:
        self._stdin, self._stdout, self._stderr = pipes
        self._data = memoryview(data)
        self._ended = ended
        self._ended_at = 0.0
        self._tell = tell
        self._kept = {self._stdout: bytearray(), self._stderr: bytearray()}
        self._told = {self._stdout: 0, self._stderr: 0}
        self._selector = selectors.DefaultSelector()
        for pipe in self._kept:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)
        if self._stdin is not None:
            os.set_blocking(self._stdin.fileno(), False)
            self._selector.register(self._stdin, selectors.EVENT_WRITE)

    def pump(self, timeout: float) -> bool:
        """Move what can be moved in ``timeout`` seconds; False when the child is done talking and over."""
        if not self._selector.get_map():
            if self._ended():
                return False
            time.sleep(min(timeout, 0.005))  # it closed its output but runs on
            return True
        for key, _ in self._selector.select(timeout):
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]  # only pipes were registered
            if pipe is self._stdin:
                self._feed(pipe)
            else:
                self._drain(pipe)
        return not self._waited_enough()

    def finish(self) -> tuple[str, str]:
        """Everything that stdout and stderr held; an unfinished last line is told too."""
        self._selector.close()
        for pipe in self._kept:
            self._tell_lines(pipe, final=True)
        stdout, stderr = (bytes(kept).decode("utf-8", "replace") for kept in self._kept.values())
        return stdout, stderr

    def _waited_enough(self) -> bool:
        if not self._selector.get_map() or not self._ended():
            return False
        self._ended_at = self._ended_at or time.monotonic()
        return time.monotonic() - self._ended_at > PATIENCE

    def _feed(self, pipe: IO[bytes]) -> None:
        try:
            self._data = self._data[os.write(pipe.fileno(), self._data[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want the rest, as is its right
            self._data = self._data[:0]
        if not self._data:
            self._selector.unregister(pipe)
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _drain(self, pipe: IO[bytes]) -> None:
        try:
            data = os.read(pipe.fileno(), CHUNK)
        except BlockingIOError:
            return
        if data:
            self._kept[pipe] += data
            self._tell_lines(pipe)
        else:
            self._selector.unregister(pipe)

    def _tell_lines(self, pipe: IO[bytes], *, final: bool = False) -> None:
        if self._tell is None:
            return
        kept, start = self._kept[pipe], self._told[pipe]
        end = len(kept) if final else kept.rfind(b"\n", start) + 1
        if end > start:
            for line in kept[start:end].decode("utf-8", "replace").splitlines():
                self._tell(line)
            self._told[pipe] = end
