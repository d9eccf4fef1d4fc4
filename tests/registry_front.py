"""A server in front of a real registry that passes everything on, except what a test wants to go wrong."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator, Mapping

from http_servers import Answer, Seen, Server, http_server

Fault = Callable[[Seen, Callable[[], Answer]], Answer]
"""Gets a request and a way to have the real registry answer it; gives what the client sees."""


def ask(address: str, seen: Seen, headers: Mapping[str, str] | None = None) -> Answer:
    """The real registry's answer. Host stays the front's, so that locations lead back to it."""
    connection = http.client.HTTPConnection(address, timeout=10)
    with contextlib.closing(connection):
        sent = {k: v for k, v in seen.headers.items() if k != "transfer-encoding"}
        connection.request(seen.method, seen.path, seen.body, {**sent, **(headers or {})})
        response = connection.getresponse()
        body = response.read()
        kept = {k: v for k, v in response.getheaders() if k.lower() not in ("connection", "date")}
        return Answer(response.status, body, kept)


@contextlib.contextmanager
def front(real: str, fault: Fault) -> Iterator[Server]:
    """Everything the real registry at ``real`` does, through ``fault``."""
    with http_server(lambda seen: fault(seen, lambda: ask(real, seen))) as server:
        yield server


def at_first(times: int, matches: Callable[[Seen], bool], instead: Callable[[Seen], Answer]) -> Fault:
    """Answer the first ``times`` requests that match with something else."""
    left = [times]

    def fault(seen: Seen, real: Callable[[], Answer]) -> Answer:
        if left[0] and matches(seen):
            left[0] -= 1
            return instead(seen)
        return real()

    return fault


def always(matches: Callable[[Seen], bool], instead: Callable[[Seen], Answer]) -> Fault:
    """Answer every request that matches with something else."""
    return at_first(1_000_000, matches, instead)
