"""A socket in front of an engine's own that counts what is sent to it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Counting:
    """``sent`` are the bytes that went to the engine until now, whoever sent them."""

    path: Path
    engine: Path
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """As DOCKER_HOST has it."""
        return f"unix://{self.path}"

    def serve(self, listening: socket.socket) -> None:
        """Until the socket is closed."""
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(str(self.engine))
            for source, target in ((client, engine), (engine, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        counts = source.getsockname() == str(self.path)
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._count(len(data) if counts else 0)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _count(self, size: int) -> None:
        with self._lock:
            self.sent += size


@contextlib.contextmanager
def counted(engine: Path, path: Path) -> Iterator[Counting]:
    """A proxy at ``path``, which must be short: a unix socket's has at most 107 bytes."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        proxy = Counting(path, engine)
        threading.Thread(target=proxy.serve, args=(listening,), daemon=True).start()
        try:
            yield proxy
        finally:
            listening.shutdown(socket.SHUT_RDWR)
