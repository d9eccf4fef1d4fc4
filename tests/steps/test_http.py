"""Http against real servers that behave badly."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest
from http_asking import HELLO, drip, get, make, read_head
from http_servers import Answer, http_server, raw_server

from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.errors import StepError

# answers


def test_any_status_is_an_answer() -> None:
    with http_server(lambda _: Answer(404, b"nothing here")) as server:
        assert get(f"{server.url}/x") == (404, b"nothing here")


def test_header_names_are_lower_case_and_connections_are_used_again() -> None:
    connections: list[int] = []

    def talk(connection: socket.socket) -> None:
        for _ in range(3):
            read_head(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Word: Yes\r\nContent-Length: 2\r\n\r\nok")

    http = make()
    with raw_server(talk, count=connections) as address:
        for _ in range(3):
            with http.request(HttpRequest("GET", f"http://{address}/")) as answer:
                assert answer.headers["x-word"] == "Yes"
    assert len(connections) == 1


def test_a_body_is_streamed_in_pieces_and_an_open_file_is_sent_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"skip" + b"z" * 3_000_000)
    with http_server(lambda seen: Answer(200, seen.body)) as server, path.open("rb") as file:
        file.seek(4)
        with make().request(HttpRequest("PUT", server.url, body=file)) as answer:
            pieces = list(answer.stream(100_000))
    assert b"".join(pieces) == b"z" * 3_000_000
    assert max(map(len, pieces)) <= 100_000
    assert server.seen[0].headers["content-length"] == "3000000"


def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    read, write = os.pipe()
    os.write(write, b"from a pipe")
    os.close(write)
    with http_server(lambda seen: Answer(200, seen.body)) as server, open(read, "rb") as file:  # noqa: PTH123
        assert get(server.url, method="POST", body=file) == (200, b"from a pipe")


def test_a_chunked_answer_is_read_whole() -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")

    with raw_server(talk) as address:
        assert get(f"http://{address}/") == (200, b"hello world")


def test_an_answer_longer_than_its_limit_is_refused() -> None:
    with (
        http_server(lambda _: Answer(200, b"12345")) as server,
        make().request(HttpRequest("GET", server.url)) as answer,
        pytest.raises(StepError, match="the answer is longer than 4 bytes"),
    ):
        answer.read(limit=4)


def test_a_unix_socket_is_asked_by_its_path(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> None:
        assert read_head(connection).startswith(b"GET /v1.41/info?all=1 HTTP/1.1")
        connection.sendall(HELLO)

    with raw_server(talk, str(tmp_path / "s")) as path:
        assert get("http://docker/v1.41/info?all=1", make(offline=True), unix=path) == (200, b"hello")


# deadlines


def test_a_silent_server_is_an_error_after_the_timeout() -> None:
    begun = time.monotonic()
    with raw_server(lambda _: time.sleep(3)) as address, pytest.raises(StepError) as caught:
        get(f"http://{address}/quiet?token=abc", timeout=0.4)
    assert caught.value.message == f"GET http://{address}/quiet: did not answer within 0.4 s"
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"", ""),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "; it was still arriving"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "; it was still arriving"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n", "; it was still arriving"),
    ],
    ids=["status line", "header", "body", "body until close", "chunked body"],
)
def test_a_dripping_server_is_an_error_after_the_timeout(head: bytes, more: str) -> None:
    begun = time.monotonic()
    with raw_server(drip(head)) as address, pytest.raises(StepError) as caught:
        get(f"http://{address}/", timeout=0.5)
    assert caught.value.message == f"GET http://{address}/: did not answer within 0.5 s{more}"
    assert time.monotonic() - begun < 2


def test_a_deadline_that_is_over_before_anything_is_sent_is_the_same_error() -> None:
    with raw_server(lambda connection: None) as address, pytest.raises(StepError):
        get(f"http://{address}/", timeout=1e-9)


def test_a_server_that_does_not_take_the_upload_is_an_error_after_the_timeout() -> None:
    with (
        raw_server(lambda _: time.sleep(3)) as address,
        pytest.raises(StepError, match=r"did not answer within 0.5 s"),
    ):
        get(f"http://{address}/", method="PUT", body=b"x" * 50_000_000, timeout=0.5)


def test_cancelling_ends_a_request_that_waits() -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.3, cancelled.set)
    begun = time.monotonic()
    with raw_server(lambda _: time.sleep(5)) as address, pytest.raises(StepError, match="interrupted"):
        timer.start()
        get(f"http://{address}/", make(cancelled=cancelled), timeout=30)
    assert time.monotonic() - begun < 2


def test_nothing_is_asked_once_the_run_is_cancelled() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with http_server(lambda _: Answer()) as server, pytest.raises(StepError, match="interrupted"):
        get(server.url, make(cancelled=cancelled))
    assert server.seen == []


def test_a_body_that_breaks_off_is_an_error() -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    with raw_server(talk) as address, pytest.raises(StepError) as caught:
        get(f"http://{address}/")
    assert f"the connection to {address} broke in the middle of the answer" in str(caught.value)
