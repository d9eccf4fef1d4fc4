"""A port that stays where it is while what stands behind it comes and goes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from aac_tasks.errors import StepError
from aac_tasks.steps.http.front import Front

LOOPBACK = "127.0.0.1"


@contextmanager
def echo(prefix: bytes) -> Iterator[int]:
    """A server that greets each connection with a prefix and, once its sender is done, gives back what it got."""
    listener = socket.create_server((LOOPBACK, 0))

    def talk(one: socket.socket) -> None:
        with one:
            one.sendall(prefix)
            said = b""
            while piece := one.recv(65536):
                said += piece
            one.sendall(said)

    def serve() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(one,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def ask(port: int, text: bytes) -> bytes:
    with socket.create_connection((LOOPBACK, port), timeout=60) as one:
        one.sendall(text)
        one.shutdown(socket.SHUT_WR)
        said = b""
        while piece := one.recv(65536):
            said += piece
    return said


def test_what_is_sent_arrives_whole_and_so_does_the_answer() -> None:
    with closing(Front(LOOPBACK, 0)) as front, echo(b"a:") as port:
        front.lead_to(LOOPBACK, port)
        large = bytes(range(256)) * 20_000
        assert ask(front.port, large) == b"a:" + large
        assert ask(front.port, b"") == b"a:"


def test_new_connections_go_to_who_serves_now() -> None:
    with closing(Front(LOOPBACK, 0)) as front, echo(b"a:") as first, echo(b"b:") as second:
        front.lead_to(LOOPBACK, first)
        with socket.create_connection((LOOPBACK, front.port), timeout=60) as early:
            assert early.recv(2) == b"a:"
            assert ask(front.port, b"2") == b"a:2"  # both are served at once
            front.lead_to(LOOPBACK, second)
            assert ask(front.port, b"3") == b"b:3"
            early.sendall(b"1")
            early.shutdown(socket.SHUT_WR)
            assert early.recv(1) == b"1"


def test_a_connection_waits_for_the_first_that_serves() -> None:
    with closing(Front(LOOPBACK, 0)) as front, echo(b"a:") as port:
        answers: list[bytes] = []
        asking = threading.Thread(target=lambda: answers.append(ask(front.port, b"early")))
        asking.start()
        front.lead_to(LOOPBACK, port)
        asking.join(60)
        assert answers == [b"a:early"]


def test_who_is_gone_is_a_connection_that_ends_and_the_next_one_is_served() -> None:
    with closing(Front(LOOPBACK, 0)) as front:
        with echo(b"a:") as gone:
            front.lead_to(LOOPBACK, gone)
        assert ask(front.port, b"") == b""
        with echo(b"b:") as port:
            front.lead_to(LOOPBACK, port)
            assert ask(front.port, b"1") == b"b:1"


def test_a_closed_front_gives_its_port_back_and_ends_what_it_carried() -> None:
    with echo(b"a:") as port:
        front = Front(LOOPBACK, 0)
        front.lead_to(LOOPBACK, port)
        with socket.create_connection((LOOPBACK, front.port), timeout=60) as one:
            assert one.recv(2) == b"a:"
            front.close()
            with suppress(ConnectionResetError):
                assert one.recv(1) == b""
        again = Front(LOOPBACK, front.port)
        assert again.port == front.port
        again.close()


def test_a_port_that_is_taken_is_named() -> None:
    with echo(b"") as port, pytest.raises(StepError, match=f"port {port} can't be listened on"):
        Front(LOOPBACK, port)
