"""Which proxy a request takes, and which CA files are trusted: what curl, Go and Python agree on."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aac_tasks.contracts.hosts import is_loopback
from aac_tasks.errors import StepError

CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name more CAs; a file or a folder. All that are set are added."""


@dataclass(frozen=True)
class Proxy:
    """``url`` is without credentials; ``credentials`` is ``user:password``; ``variable`` for messages."""

    url: str
    credentials: str = field(default="", repr=False)
    variable: str = ""


@dataclass(frozen=True)
class Proxies:
    """One proxy per scheme, and who goes past them. This machine itself always does, as in Go's net/http."""

    by_scheme: Mapping[str, Proxy]
    past: tuple[str, ...] = ()

    def of(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a target, or None for a direct connection."""
        proxy = self.by_scheme.get(scheme)
        if proxy is None or is_loopback(host) or any(_matches(p, host, port) for p in self.past):
            return None
        return proxy


def proxies_of(environment: Mapping[str, str]) -> Proxies:
    """Read ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``; the lower-case spelling wins."""
    found: dict[str, Proxy] = {}
    for scheme in ("http", "https"):
        for name in (f"{scheme}_proxy", "all_proxy"):
            variable = name if environment.get(name) else name.upper()
            value = environment.get(variable, "").strip()
            if value:
                found[scheme] = _proxy(value, variable)
                break
    excluded = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return Proxies(found, tuple(p.strip().lower() for p in excluded.split(",") if p.strip()))


def _proxy(value: str, variable: str) -> Proxy:
    text = value if "://" in value else f"http://{value}"
    credentials, at, rest = text.partition("://")[2].rpartition("@")
    return Proxy(f"{urlsplit(text).scheme}://{rest}", credentials if at else "", variable)


def checked(proxy: Proxy) -> Proxy:
    """The proxy, when it can be used; StepError otherwise. Called when the first request needs it."""
    parts = urlsplit(proxy.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StepError(
            f"{proxy.variable}: {proxy.url!r} is not a proxy that can be used; expected http://host:port",
            hint=f"set {proxy.variable} to an http proxy, or put the host into no_proxy",
        )
    return proxy


def _matches(pattern: str, host: str, port: int) -> bool:
    """One entry of no_proxy: ``*``, a domain (with all below it), an address, a network; ports optional."""
    if pattern == "*":
        return True
    name = host.strip("[]").rstrip(".").lower()
    head, colon, tail = pattern.rpartition(":")
    if colon and tail.isdigit() and ("]" in head or ":" not in head):
        if int(tail) != port:
            return False
        pattern = head
    pattern = pattern.strip("[]")
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        domain = pattern.removeprefix("*").strip(".")
        return name == domain or name.endswith(f".{domain}")


def ca_sources(environment: Mapping[str, str], ca_file: str) -> tuple[tuple[str, str], ...]:
    """(where it was said, path) of every extra CA file or folder, each path once."""
    said = [("AAC_CA_FILE", ca_file or environment.get("AAC_CA_FILE", ""))]
    said += [(name, environment.get(name, "")) for name in CA_VARIABLES]
    found: dict[str, str] = {}
    for name, path in said:
        if path:
            found.setdefault(path, name)
    return tuple((name, path) for path, name in found.items())
