"""A reporter over two streams in memory, and one built image, for the tests of reporters."""

from __future__ import annotations

import io
from collections.abc import Callable

from aac_tasks.contracts.result import Event
from aac_tasks.reporter import Kind, Reporter, make

DIGEST = "sha256:" + "0123456789abcdef" * 4
LAYERS = [{"name": "base", "digest": DIGEST, "size": 31_200_000}, {"name": "application", "digest": DIGEST, "size": 2048}]
BUILT = Event("done", "image:hello", "never built", 1.24, {"outputs": {"digest": DIGEST, "size": 36_300_000, "layers": LAYERS}})


class Clock:
    """Seconds that only a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Ear:
    """A reporter over two streams in memory."""

    def __init__(self, kind: Kind = "plain", redact: Callable[[str], str] = str, **environment: str) -> None:
        self.clock = Clock()
        self._out, self._err = io.StringIO(), io.StringIO()
        self.reporter: Reporter = make(
            kind, out=self._out, err=self._err, environment=environment, redact=redact, clock=self.clock
        )

    def tell(self, *events: Event) -> None:
        for event in events:
            self.reporter(event)

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()
