"""The door to the network that `Tools` lends to plugins."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from aac_tasks.contracts.tools import HttpRequest, HttpResponse
from aac_tasks.steps.http.holding import hold, let_go
from aac_tasks.steps.http.proxies import ca_sources, proxies_of
from aac_tasks.steps.http.watch import Watchdog

if TYPE_CHECKING:
    from aac_tasks.steps.http.pools import Pools


def _stays(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side says something, or waits for us to."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True


class Http:
    """Requests with pooled connections; one object serves all threads of a run.

    ``environment`` gives proxies (``http_proxy`` …) and CA files (``SSL_CERT_FILE`` …), ``ca_file`` one more;
    all are added to the system's roots. ``offline`` refuses what is not on this machine. Setting
    ``cancelled`` ends every request under way.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        offline: bool,
        cancelled: threading.Event,
        ca_file: str = "",
    ) -> None:
        self._proxies = proxies_of(environment)
        self._ca = ca_sources(environment, ca_file)
        self._offline = offline
        self._watchdog = Watchdog(cancelled)
        self._lock = threading.Lock()
        self._made: Pools | None = None

    def request(self, request: HttpRequest) -> AbstractContextManager[HttpResponse]:
        """Ask and lend the answer; StepError when none comes. ``request.timeout`` counts to the last byte."""
        return self._request(request)

    @contextlib.contextmanager
    def _request(self, request: HttpRequest) -> Iterator[HttpResponse]:
        from aac_tasks.steps.http.exchange import Exchange  # lazy: brings urllib3

        with self._watchdog.watching(request.timeout, stalls=not request.unix) as watch:
            response = Exchange(request, self._pools(), watch, offline=self._offline).run()
            try:
                yield response
            finally:
                response.close()

    def _pools(self) -> Pools:
        with self._lock:
            if self._made is None:
                from aac_tasks.steps.http.pools import Pools  # lazy: brings urllib3

                self._made = Pools(self._proxies, self._ca)
            return self._made

    def connects(self, host: str, port: int, timeout: float = 1.0, stays: float = 0.0) -> bool:
        """True when a TCP connection is accepted within ``timeout`` seconds, and not broken off wordless for ``stays`` more."""
        try:
            with socket.create_connection((host, port), timeout=timeout) as connection:
                return not stays or _stays(connection, stays)
        except OSError:
            return False

    def free_port(self) -> int:
        """A TCP port of 127.0.0.1 that was free a moment ago."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    def hold_port(self, port: int) -> bool:
        """Keep a port from others of ours; see `holding`."""
        return hold(port)

    def let_go_of_port(self, port: int) -> None:
        """Give it back."""
        let_go(port)
