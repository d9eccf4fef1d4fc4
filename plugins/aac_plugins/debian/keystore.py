"""Java's file of trusted authorities, which Debian's package ca-certificates-java makes with a Java program.

The layout is that of the JDK's ``sun.security.provider.JavaKeyStore`` (version 2): certificates with a name each, and
at the end a SHA-1 over the password, a constant and everything before. It guards against accidents, not attackers.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping

_MAGIC = 0xFEEDFEED
_VERSION = 2
_TRUSTED = 2
_PASSWORD = "changeit"  # noqa: S105  # public: every JDK ships its cacerts with it
_SALT = b"Mighty Aphrodite"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def key_store(certificates: Mapping[str, str]) -> bytes:
    """A key store that trusts ``certificates`` (name → PEM text); undated, so that the bytes depend on them alone."""
    # Lower case: the JDK lowers a name before it looks for it.
    found = [(name.lower(), _der(pem)) for name, pem in sorted(certificates.items()) if _BEGIN in pem]
    body = struct.pack(">III", _MAGIC, _VERSION, len(found))
    for name, der in found:
        body += struct.pack(">I", _TRUSTED) + _text(name) + struct.pack(">Q", 0)
        body += _text("X.509") + struct.pack(">I", len(der)) + der
    check = hashlib.sha1(_PASSWORD.encode("utf-16-be") + _SALT + body, usedforsecurity=False)
    return body + check.digest()


def _der(pem: str) -> bytes:
    return base64.b64decode(pem.partition(_BEGIN)[2].partition(_END)[0])


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack(">H", len(data)) + data
