"""What of the user's environment reaches a process that asks for nothing."""

from __future__ import annotations

from collections.abc import Mapping

MINIMAL = frozenset(
    {"PATH", "HOME", "LANG", "LANGUAGE", "TMPDIR"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
    | {"NODE_EXTRA_CA_CERTS", "PIP_CERT", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO"}
    | {"http_proxy", "https_proxy", "no_proxy", "all_proxy"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}
)
"""Names; LC_* besides."""


def minimal(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of it that has these names."""
    return {name: value for name, value in environment.items() if name in MINIMAL or name.startswith("LC_")}
