"""Signatures (Ed25519, RFC 8032) by keys as openssl writes them: PEM for the private one, its base64 line for the public one."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from aac_tasks.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAKE = "`openssl genpkey -algorithm ed25519 -out FILE` makes one"
_EXTRA = "signatures need the package cryptography: pip install 'aac-tasks[signing]'"


class Signer:
    """Signs with one private key; UsageError when the text is none."""

    def __init__(self, pem: str, where: str) -> None:
        self._key = _private(pem, where)
        self.key = _line(self._key)

    def sign(self, data: bytes) -> str:
        """The signature, in base64."""
        return base64.b64encode(self._key.sign(data)).decode()


class Verifier:
    """Knows the public keys that are believed; UsageError when one is none."""

    def __init__(self, lines: tuple[str, ...], where: str) -> None:
        self._keys = {line: _public(line, where) for line in lines}

    def vouches(self, key: str, signature: str, data: bytes) -> bool:
        """Whether ``key`` is believed and signed these very bytes."""
        known = self._keys.get(key)
        if known is None:
            return False
        from cryptography.exceptions import InvalidSignature  # lazy: see _public

        try:
            known.verify(base64.b64decode(signature, validate=True), data)
        except (InvalidSignature, ValueError):
            return False
        return True


def _public(line: str, where: str) -> Ed25519PublicKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # lazy: an extra, and only some sign
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    except ModuleNotFoundError as error:
        raise UsageError(f"{where}: {_EXTRA}") from error
    try:
        key = load_der_public_key(base64.b64decode(line, validate=True))
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(
            f"{where}: {line!r} is no public key; expected the line between BEGIN and END that "
            "`openssl pkey -in FILE -pubout` prints for an ed25519 key"
        )
    return key


def _private(pem: str, where: str) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # lazy: as above
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ModuleNotFoundError as error:
        raise UsageError(f"{where}: {_EXTRA}") from error
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):  # TypeError: it has a passphrase
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{where} holds no private ed25519 key in PEM without a passphrase; {MAKE}")
    return key


def _line(key: Ed25519PrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # lazy: as above

    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
