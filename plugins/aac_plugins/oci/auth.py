"""Proving to a registry who one is: Basic, or a token from the service that the registry names.

https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/; RFC 9110 section 11 for the header.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from aac_plugins.oci.credentials import Credentials, find_credentials
from aac_plugins.oci.endpoint import Endpoint, patience
from aac_plugins.oci.known import login_command
from aac_plugins.oci.manifests import json_object
from aac_tasks.contracts.hosts import is_loopback
from aac_tasks.contracts.tools import HttpRequest, HttpResponse, Tools
from aac_tasks.errors import StepError

_SHORTEST = 60.0  # seconds a token lives when the service does not say (token specification)
_CLIENT = "aac-tasks"
_PART = re.compile(
    r"""\s*,?\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)
        (?:\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s,"]+)))?""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Challenge:
    """One way in that a 401 offers; ``scheme`` and the parameters' names are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Access:
    """What is asked for at which registry: ``repository`` and ``actions`` (``pull`` or ``pull,push``).

    ``source`` is a second repository to read from, for a blob that is mounted. Without any repository it is a mere login.
    """

    endpoint: Endpoint
    repository: str = ""
    actions: str = "pull"
    source: str = ""

    @property
    def scopes(self) -> tuple[str, ...]:
        """In the token service's notation."""
        wanted = ((self.repository, self.actions), (self.source, "pull"))
        return tuple(f"repository:{name}:{actions}" for name, actions in wanted if name)


@dataclass(frozen=True)
class _Pass:
    header: str = field(repr=False)
    until: float


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read a WWW-Authenticate header, several challenges in one included; what can't be read is left out."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while match := _PART.match(header, position):
        position = match.end()
        value = match["quoted"] if match["quoted"] is not None else match["token"]
        if value is None:
            found.append((match["name"].lower(), {}))
        elif found:
            found[-1][1][match["name"].lower()] = re.sub(r"\\(.)", r"\1", value)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


class RefusedError(StepError):
    """The registry answered, and its answer is final: asking again would change nothing."""


class Authority:
    """Remembers for one run what opened which door; safe for several threads. ``find`` knows who the user is."""

    def __init__(self, find: Callable[[str, str, Tools], Credentials | None] = find_credentials) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._passes: dict[Access, _Pass] = {}
        self._shown: dict[Access, str] = {}

    def header(self, access: Access, tools: Tools) -> str:
        """The Authorization header that worked before, or an empty text."""
        with self._lock:
            known = self._passes.get(access)
        return known.header if known is not None and tools.now() < known.until else ""

    def shown(self, access: Access) -> str:
        """Which login was shown at that door, "" when none was."""
        with self._lock:
            return self._shown.get(access, "")

    def answer(self, header: str, access: Access, tools: Tools, refused: str) -> bool:
        """Get a header for a WWW-Authenticate header; False when there is nothing (more) to try.

        ``refused`` is the Authorization header that was just refused. StepError when the login is refused.
        """
        with self._lock:  # two uploads that need one token ask for it once
            known = self._passes.get(access)
            if known is not None and tools.now() < known.until and known.header != refused:
                return True
            made = self._made(parse_challenges(header), access, tools)
            if made is None or made.header == refused:
                return False
            self._passes[access] = made
            return True

    def _made(self, challenges: tuple[Challenge, ...], access: Access, tools: Tools) -> _Pass | None:
        login = self._find(access.endpoint.registry, access.repository, tools)
        self._shown[access] = login.origin if login else ""
        by_scheme = {c.scheme: c for c in challenges}
        bearer = by_scheme.get("bearer")
        if bearer is not None and bearer.parameters.get("realm"):
            try:
                return _token(bearer, access, login, tools)
            except RefusedError:
                if login is None or not login.bare_token:
                    raise
        if bearer is not None and login is not None and login.password:
            return _Pass(f"Bearer {login.password}", float("inf"))
        if "basic" in by_scheme and login is not None and login.password:
            return _Pass(login.basic, float("inf"))
        return None


def _token(challenge: Challenge, access: Access, login: Credentials | None, tools: Tools) -> _Pass:
    realm = challenge.parameters["realm"]
    _check_realm(realm, access.endpoint)
    service = challenge.parameters.get("service", "")
    wish = {**({"service": service} if service else {}), "client_id": _CLIENT}
    if login is not None and login.identity_token:
        form = {"grant_type": "refresh_token", "refresh_token": login.identity_token, "scope": " ".join(access.scopes), **wish}
        request = HttpRequest(
            "POST",
            realm,
            {"content-type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(),
            timeout=patience(tools),
            redirects=0,  # the body is the secret: it goes nowhere else
        )
    else:
        headers = {"authorization": login.basic} if login is not None and login.password else {}
        mark = "&" if "?" in realm else "?"
        query = urlencode([*wish.items(), *(("scope", scope) for scope in access.scopes)])
        request = HttpRequest("GET", f"{realm}{mark}{query}", headers, timeout=patience(tools))
    with tools.http(request) as response:
        return _read_token(response, access, login, tools)


def _check_realm(realm: str, endpoint: Endpoint) -> None:
    """The registry chooses who hands out tokens, so passwords go there; never unencrypted over a network.

    Plain http is accepted from a registry on this machine that names this machine, and from one that the
    user allowed to be plain http, for itself.
    """
    parts = urlsplit(realm)
    local = endpoint.loopback and is_loopback(parts.hostname or "")
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and (local or endpoint.owns(realm)):
        return
    raise StepError(
        f"{endpoint.registry} names {realm.partition('?')[0]!r} to get a token from, which is not https; no credentials were sent"
    )


def _read_token(response: HttpResponse, access: Access, login: Credentials | None, tools: Tools) -> _Pass:
    name, host = access.endpoint.registry, urlsplit(response.url).netloc
    if response.status in (400, 401, 403):
        if login is None:
            raise login_needed(access, "it gives no token to anonymous users")
        raise login_needed(access, f"{host} refuses {login.origin}")
    if response.status != 200:
        raise StepError(f"{host}, which hands out tokens for {name}, answered {response.status}")
    answer = json_object(response.read(1 << 20), f"the token that {host} gave for {name}")
    token = answer.get("token") or answer.get("access_token")
    if not isinstance(token, str) or not token or "\n" in token or "\r" in token:
        raise StepError(f"{host} answered without a token for {name}")
    lives = answer.get("expires_in")
    seconds = float(lives) if isinstance(lives, (int, float)) and lives > 0 else _SHORTEST
    return _Pass(f"Bearer {token}", tools.now() + seconds * 0.9)


def login_needed(access: Access, reason: str) -> RefusedError:
    """The error for a door that stays shut, with how to open it."""
    registry = access.endpoint.registry
    wish = "push to" if "push" in access.actions else "pull from"
    what = f"not allowed to {wish} {registry}/{access.repository}" if access.repository else f"not logged in at {registry}"
    return RefusedError(
        f"{what}: {reason}",
        hint=f"log in with an account that may: {login_command(registry)} (or set AGENT_REGISTRY_URL and AGENT_REGISTRY_TOKEN)",
    )
