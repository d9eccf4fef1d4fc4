"""A port of this machine that leads to whichever instance serves now: connections are passed on, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import threading

from aac_tasks.errors import StepError

PIECE = 64 * 1024
WAITS = 10.0
"""Seconds that a connection is kept waiting while nothing serves."""


class Front:
    """Listens from now on, until `close`. Port 0 is any free one.

    Raises:
        StepError: the port is taken.
    """

    def __init__(self, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what lingers from before is no reason
        try:
            self._listener.bind((address, port))
            self._listener.listen(128)
        except OSError as error:
            self._listener.close()
            raise StepError(f"port {port} can't be listened on: {error.strerror or error}") from error
        self.address = address
        self.port = int(self._listener.getsockname()[1])
        self._target: tuple[str, int] | None = None
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def lead_to(self, address: str, port: int) -> None:
        """Where connections go that are made from now on; those that there are stay where they are."""
        with self._changed:
            self._target = (address, port)
            self._changed.notify_all()

    def lead_nowhere(self) -> None:
        """Nothing serves: new connections wait a moment for something that does."""
        with self._changed:
            self._target = None

    def close(self) -> None:
        """Give the port back and end every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that listens
        self._listener.close()
        with self._changed:
            left = list(self._open)
        for one in left:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            with self._changed:
                self._open.add(client)
                target = self._changed.wait_for(lambda: self._target, WAITS)
            if target is not None:
                with socket.create_connection(target) as server:
                    self._join(client, server)
        with self._changed:
            self._open.discard(client)

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        """Both ways until both ended; one that breaks off ends the other."""
        back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
        back.start()
        _pass_on(client, server)
        back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
