"""Files that change while somebody works on them, noticed by the kernel (library watchfiles, extra ``watch``)."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from aac_tasks.errors import StepError, UsageError

TOGETHER = 400
"""Milliseconds over which changes are gathered at most; a pause of `STEP` ends it earlier."""

STEP = 10
"""Milliseconds in which nothing else may change: what an editor writes in two goes is one change."""

LOOK = 200
"""Milliseconds between two looks at whether it is over."""

_EDITORS = re.compile(r"~$|\.sw.$|^\.#|^#.*#$|\.___jb_...___$|^flycheck_|^4913$|\.tmp\.\d+")
"""Names that editors give to files of a moment."""


class Watching:
    """Everything below some folders, from when it is made until `close`. ``wanted`` says of a path whether it matters.

    Raises:
        UsageError: watchfiles is not installed. StepError: the folders can't be watched.
    """

    def __init__(self, folders: Iterable[Path], wanted: Callable[[Path], bool]) -> None:
        self.wanted = wanted
        self.folders = tuple(folders)
        self._found: queue.Queue[Path] = queue.Queue()
        self._over = threading.Event()
        self._ready = threading.Event()
        self._failure = ""
        try:
            import watchfiles  # noqa: F401  # lazy: an extra
        except ImportError as error:
            raise UsageError("watching needs watchfiles; install it with: pip install 'aac-tasks[watch]'") from error
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise StepError(f"{', '.join(map(str, self.folders))} can't be watched: {self._failure}")

    def changed(self, seconds: float) -> tuple[Path, ...]:
        """Paths that changed since the last call, each once; none when nothing does within ``seconds``."""
        found: dict[Path, None] = {}
        try:
            found[self._found.get(timeout=seconds)] = None
            while True:
                found[self._found.get_nowait()] = None
        except queue.Empty:
            return tuple(path for path in found if not _EDITORS.search(path.name) and self.wanted(path) and not _ours(path))

    def close(self) -> None:
        """Stop watching."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        from watchfiles import watch

        try:
            for changes in watch(
                *self.folders,
                watch_filter=None,
                debounce=TOGETHER,
                step=STEP,
                rust_timeout=LOOK,
                yield_on_timeout=True,  # the first look is how one knows that it watches
                stop_event=self._over,
                raise_interrupt=False,
            ):
                self._ready.set()
                for _, path in changes:
                    self._found.put(Path(path))
        except (OSError, RuntimeError) as error:  # the kernel's limit of watches is reached
            self._failure = str(error)
        finally:
            self._ready.set()


def _ours(path: Path) -> bool:
    """Whether that is where this process writes its own words: each round would be the reason of the next."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return any(os.path.samestat(path.stat(), os.fstat(stream.fileno())) for stream in (sys.stdout, sys.stderr))
    return False
