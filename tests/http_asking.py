"""Asking with the real `Http`: what the tests of http share."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping

from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.steps.http import Http

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def make(
    environment: Mapping[str, str] | None = None,
    *,
    offline: bool = False,
    cancelled: threading.Event | None = None,
) -> Http:
    return Http(environment=environment or {}, offline=offline, cancelled=cancelled or threading.Event())


def get(url: str, http: Http | None = None, **more: object) -> tuple[int, bytes]:
    request = HttpRequest(**{"method": "GET", "url": url, **more})  # type: ignore[arg-type]
    with (http or make()).request(request) as answer:
        return answer.status, answer.read()


def read_head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(4096)
    return data


def drip(head: bytes, every: float = 0.05) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(head)
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(every)

    return talk
