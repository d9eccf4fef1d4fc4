"""Connections: direct, through a proxy, or over a unix socket; TLS with system roots and those added."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout, Url, make_headers

from aac_tasks.errors import StepError
from aac_tasks.steps.http.proxies import Proxies, Proxy, checked
from aac_tasks.steps.http.watch import HasFileno, Watch

CONNECT_TIMEOUT = 10.0
"""Seconds for TCP and TLS to come up; less when the request has less left."""

_BLOCK = 1 << 16
_SPARE = 64  # idle connections kept per host; more threads than that ask nobody at once
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)

_thread = threading.local()


@dataclass(frozen=True)
class Call:
    """One request without redirects or retries. ``headers`` hold everything that is sent."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes | IO[bytes] | None = None

    @property
    def port(self) -> int:
        """The port, the scheme's own when none is written."""
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    @property
    def host(self) -> str:
        """The host in lower case, IPv6 without brackets."""
        return (self.url.host or "").strip("[]").lower()

    @property
    def shown(self) -> str:
        """For messages: no query, no user, which may hold secrets."""
        return f"{self.method} {self.url._replace(auth=None, query=None, fragment=None).url}"


@contextlib.contextmanager
def _watched(watch: Watch) -> Iterator[None]:
    """Connections that this thread opens or takes from a pool belong to ``watch``."""
    _thread.watch = watch
    try:
        yield
    finally:
        _thread.watch = None


def _attach(connection: HasFileno | None) -> None:
    watch: Watch | None = getattr(_thread, "watch", None)
    if watch is not None and connection is not None:
        watch.attach(connection)


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _attach(made)
        return made

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        _attach(self.sock)  # a connection out of the pool; None while it is not connected yet
        super().putrequest(method, url, skip_host, skip_accept_encoding)


class _Tls(_Plain, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


def _unix_pool(path: str) -> HTTPConnectionPool:
    class Unix(_Plain):
        def _new_conn(self) -> socket.socket:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                made.settimeout(CONNECT_TIMEOUT)
                made.connect(path)
            except BaseException:
                made.close()
                raise
            _attach(made)
            return made

    class UnixPool(HTTPConnectionPool):
        ConnectionCls = Unix

    return UnixPool("localhost", maxsize=_SPARE)


class Pools:
    """Every connection of a run; thread-safe because urllib3's pools are and the rest is under one lock."""

    def __init__(self, proxies: Proxies, ca: tuple[tuple[str, str], ...]) -> None:
        self._proxies = proxies
        self._ca = ca
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        self._managers: dict[Proxy | None, urllib3.PoolManager] = {}
        self._sockets: dict[str, HTTPConnectionPool] = {}

    def proxy(self, call: Call) -> Proxy | None:
        """The proxy that ``call`` is asked through."""
        return self._proxies.of(str(call.url.scheme), call.host, call.port)

    def send(self, call: Call, watch: Watch, unix: str = "") -> urllib3.BaseHTTPResponse:
        """One request, one answer; raises what urllib3 raises. ``unix`` is a socket's path to ask over."""
        with self._lock:
            pool: urllib3.PoolManager | HTTPConnectionPool
            pool = self._socket(unix) if unix else self._manager(self.proxy(call), call.url.scheme == "https")
        left = max(watch.remaining, 0.001)  # a deadline that is over is told by the watch, not by a limit of zero
        limits = Timeout(connect=min(CONNECT_TIMEOUT, left), read=left)
        with _watched(watch):
            return pool.urlopen(
                call.method,
                call.url.request_uri if unix else call.url.url,
                body=call.body,
                headers=dict(call.headers),
                redirect=False,
                retries=False,
                timeout=limits,
                preload_content=False,
                decode_content=False,
            )

    def _socket(self, path: str) -> HTTPConnectionPool:
        if path not in self._sockets:
            self._sockets[path] = _unix_pool(path)
        return self._sockets[path]

    def _manager(self, proxy: Proxy | None, tls: bool) -> urllib3.PoolManager:
        if (tls or (proxy and proxy.url.startswith("https:"))) and self._tls is None:
            self._tls = trust(self._ca)
            self._managers.clear()  # made before TLS was needed: they know nothing of our roots
        if proxy not in self._managers:
            self._managers[proxy] = self._made(proxy)
        return self._managers[proxy]

    def _made(self, proxy: Proxy | None) -> urllib3.PoolManager:
        if proxy is None:
            manager = urllib3.PoolManager(maxsize=_SPARE, blocksize=_BLOCK, ssl_context=self._tls)
        else:
            secret = make_headers(proxy_basic_auth=unquote(proxy.credentials)) if proxy.credentials else None
            manager = urllib3.ProxyManager(
                checked(proxy).url,
                maxsize=_SPARE,
                blocksize=_BLOCK,
                proxy_headers=secret,
                ssl_context=self._tls,
                proxy_ssl_context=self._tls,
            )
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        return manager


def trust(extra: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    """System roots plus ``extra``. OpenSSL itself lets SSL_CERT_FILE *replace* the roots, hence by hand.

    A bare context, not ``create_default_context``: that one turns on VERIFY_X509_STRICT with Python 3.13,
    which many companies' own CAs do not pass; hostname check and verification are on in both.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    loaded = _system_roots(context)
    for said, path in extra:
        real = Path(path).resolve()
        if real in loaded:
            continue
        try:
            if real.is_dir():
                context.load_verify_locations(capath=real)
            else:
                context.load_verify_locations(cafile=real)
        except (OSError, ssl.SSLError) as error:
            reason = "there is no such file" if not real.exists() else "not a file of PEM certificates"
            raise StepError(f"{said}: {path}: {reason}", hint=f"correct {said}, or unset it") from error
        loaded.add(real)
    return context


def _system_roots(context: ssl.SSLContext) -> set[Path]:
    places = ssl.get_default_verify_paths()
    loaded: set[Path] = set()
    for name in (places.openssl_cafile, *_BUNDLES):
        real = Path(name).resolve()
        if real.is_file():
            context.load_verify_locations(cafile=real)
            loaded.add(real)
            break
    folder = Path(places.openssl_capath).resolve()
    if folder.is_dir():
        context.load_verify_locations(capath=folder)
        loaded.add(folder)
    return loaded
