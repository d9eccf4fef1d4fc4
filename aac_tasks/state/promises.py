"""Which blobs shared caches were seen to have: one line each, appended, so that a fresh clone of many agents writes little."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from aac_tasks.contracts.image import Digest

_LOST = "lost"
_HEX = 64


class Promises:
    """``shared/promises`` in the user's cache: ``<hex> <size> <place>``, or ``<hex> lost``. The last line of a blob counts;
    a torn one is none.
    """

    def __init__(self, cache: Path) -> None:
        self._path = cache / "shared" / "promises"
        self._guard = threading.Lock()
        self._read = 0
        self._known: dict[str, str] = {}

    def of(self, digest: Digest) -> tuple[int, str] | None:
        """Size and place of a blob that somebody promised and nobody missed since."""
        size, _, place = self._lines().get(digest.hex, "").partition(" ")
        return (int(size), place) if size.isdigit() and place else None

    def broken(self, digest: Digest) -> bool:
        """Whether the last that is known of a blob is that it was missed."""
        return self._lines().get(digest.hex) == _LOST

    def add(self, place: str, blobs: Iterable[tuple[Digest, int]]) -> None:
        """A place has these blobs."""
        known = self._lines()
        self._append({d.hex: f"{size} {place}" for d, size in blobs if known.get(d.hex) != f"{size} {place}"})

    def lose(self, digest: Digest) -> None:
        """It was asked for, and can't be had."""
        self._append({digest.hex: _LOST})

    def _append(self, told: dict[str, str]) -> None:
        text = "".join(f"{name} {rest}\n" for name, rest in told.items())
        if text:
            with self._guard:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab", buffering=0) as file:  # one write: lines of others never stand inside
                    file.write(f"\n{text}".encode())  # a line that was torn before ends here

    def _lines(self) -> dict[str, str]:
        """Everything that is told by now; what was added since the last look, by anybody, is read."""
        try:
            size = os.stat(self._path).st_size  # noqa: PTH116  # asked for every blob that is not here
        except OSError:
            size = 0
        with self._guard:
            if size < self._read:  # pruned
                self._read, self._known = 0, {}
            if size > self._read:
                self._read_on()
            return self._known

    def _read_on(self) -> None:
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
            self._read += len(whole) + len(newline)
            lines = (line.partition(" ") for line in whole.decode("utf-8", "replace").splitlines())
            self._known.update({name: rest for name, _, rest in lines if len(name) == _HEX})
