"""A token service that a real `docker-registry` believes: tokens are signed (RS256, by openssl) and verified there.

https://distribution.github.io/distribution/spec/auth/jwt/
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from http_servers import Answer, Seen, Server, http_server
from real_registry import registry_server

from aac_tasks.testing import need

ISSUER, SERVICE = "tests", "registry of tests"


@dataclass
class TokenService:
    """Users with passwords and the repositories (by prefix) that each may do everything in; refresh tokens by user.

    ``lives`` is how long a token holds, in seconds; ``given`` collects the scopes that were asked for.
    """

    folder: Path
    users: Mapping[str, str]
    rights: Mapping[str, str] = field(default_factory=dict)
    refresh: Mapping[str, str] = field(default_factory=dict)
    lives: int = 300
    given: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        need(shutil.which("openssl"), "openssl is not installed")
        self.folder.mkdir(parents=True)
        new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=tokens")
        self._openssl(*new, "-days", "2")
        self._lock = threading.Lock()

    @property
    def certificate(self) -> Path:
        """What the registry verifies tokens with."""
        return self.folder / "cert.pem"

    def __call__(self, seen: Seen) -> Answer:
        form = parse_qs(seen.body.decode()) if seen.method == "POST" else parse_qs(urlsplit(seen.path).query)
        try:
            user = self._user(seen, form)
        except KeyError:
            return Answer(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "wrong user or password"}]}')
        scopes = " ".join(form.get("scope", []))
        self.given.append(scopes)
        token = self.token(user, scopes.split())
        return Answer(200, json.dumps({"token": token, "expires_in": self.lives}).encode())

    def _user(self, seen: Seen, form: Mapping[str, list[str]]) -> str:
        if seen.method == "POST":
            return self.refresh[form["refresh_token"][0]]
        header = seen.headers.get("authorization", "")
        if not header:
            return ""
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        if self.users[user] != password:
            raise KeyError(user)
        return user

    def token(self, user: str, scopes: list[str]) -> str:
        """A signed token for what ``user`` may do of what ``scopes`` ask for."""
        now = int(time.time())
        times = {"nbf": now - 10, "iat": now, "exp": now + self.lives}
        claims = {"iss": ISSUER, "sub": user, "aud": SERVICE, "jti": str(now), **times}
        text = "".join(self.certificate.read_text().splitlines()[1:-1])
        head = {"typ": "JWT", "alg": "RS256", "x5c": [text]}
        signed = f"{_packed(head)}.{_packed({**claims, 'access': [self._access(user, s) for s in scopes]})}"
        with self._lock:
            signature = self._openssl("dgst", "-sha256", "-sign", "key.pem", stdin=signed.encode())
        return f"{signed}.{_base64(signature)}"

    def _access(self, user: str, scope: str) -> dict[str, object]:
        kind, name, actions = scope.split(":")
        may = user in self.rights and name.startswith(self.rights[user])
        return {"type": kind, "name": name, "actions": actions.split(",") if may else []}

    def _openssl(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(("openssl", *arguments), cwd=self.folder, input=stdin, check=True, capture_output=True).stdout


@contextlib.contextmanager
def guarded_registry(folder: Path, service: TokenService) -> Iterator[tuple[str, Server]]:
    """A real registry that wants tokens of ``service``; its address, and the service's server."""
    with http_server(service) as server:
        service.url = f"{server.url}/token"
        token = f'{{realm: "{service.url}", service: "{SERVICE}", issuer: {ISSUER}, rootcertbundle: "{service.certificate}"}}'
        with registry_server(folder, auth=f"auth:\n  token: {token}\n") as address:
            yield address, server


def _packed(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
