"""Small real servers that misbehave on purpose, each on a free loopback port in threads of its own."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Seen:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What to answer; status 0 hangs up instead. Content-Length is added unless ``raw_length`` is False."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw_length: bool = True


@dataclass
class Server:
    """A running server: where it is, and everything it was asked."""

    address: str
    seen: list[Seen]

    @property
    def url(self) -> str:
        """``http://host:port``."""
        return f"http://{self.address}"

    def asked(self, method: str, part: str = "") -> list[Seen]:
        """The requests with that method whose path holds ``part``."""
        return [s for s in self.seen if s.method == method and part in s.path]


Behaviour = Callable[[Seen], Answer]


class _Patient(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True
    behave: Behaviour
    seen: list[Seen]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: _Patient

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def handle_any(self) -> None:
        request = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.body())
        self.server.seen.append(request)
        answer = self.server.behave(request)
        if not answer.status:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.raw_length and "content-length" not in {k.lower() for k in answer.headers}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(self.pieces())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def pieces(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@contextlib.contextmanager
def http_server(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that answers each request with ``behave(request)``."""
    server = _Patient(("127.0.0.1", 0), _Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.behave, server.seen = behave, []
    with _running(server):
        yield Server(f"127.0.0.1:{server.server_port}", server.seen)


@contextlib.contextmanager
def raw_server(talk: Callable[[socket.socket], None], unix: str = "", count: list[int] | None = None) -> Iterator[str]:
    """Hands each accepted connection to ``talk``; yields ``host:port``, or the socket's path."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if count is not None:
                count.append(1)
            with contextlib.suppress(OSError):
                talk(self.request)

    class Tcp(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    class Unix(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    server = Unix(unix, Handler) if unix else Tcp(("127.0.0.1", 0), Handler)
    with _running(server):
        yield unix or "{}:{}".format(*server.socket.getsockname())


@contextlib.contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
