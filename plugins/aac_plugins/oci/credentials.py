"""Who the user is at a registry: what ``docker login`` or ``podman login`` left, or the environment says.

The file: https://docs.docker.com/reference/cli/docker/login/#credential-stores. No secret is ever part of a message.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aac_plugins.oci import keychain
from aac_plugins.oci.credential_helper import TOKEN_USER, Helper, bare, names_of
from aac_plugins.oci.known import ANY_USER, HUB_NAMES, kind_of, login_command
from aac_plugins.oci.private_file import read_private
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError


@dataclass(frozen=True)
class Credentials:
    """A user with a password, or an identity token to trade for others. ``origin`` is for messages.

    ``bare_token``: the password was given alone, so it may also be a token that the registry itself takes (RFC 6750).
    """

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    origin: str = ""
    bare_token: bool = False

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @classmethod
    def of(cls, user: str, secret: str, origin: str) -> Credentials:
        """From what a helper or a keyring keeps: the user's name says whether the secret is an identity token."""
        return cls(identity_token=secret, origin=origin) if user == TOKEN_USER else cls(user, secret, origin=origin)


def find_credentials(registry: str, repository: str, tools: Tools) -> Credentials | None:
    """Credentials for a registry (``ghcr.io``, ``127.0.0.1:5000``), or None for an anonymous user.

    First AGENT_REGISTRY_TOKEN, when AGENT_REGISTRY_URL names this registry; then the configuration files, in
    each of them a helper for this registry, the file's own entry, the default helper; then the system's keyring. StepError
    when a file is there but can't be read, or a helper named for this registry is missing or fails.
    """
    said = _from_environment(registry, tools)
    if said is not None:
        return said
    for path in config_files(tools):
        found = _from_config(read_private(path), registry, repository, tools)
        if found is not None:
            return found
    kept = keychain.get(registry, tools)
    return Credentials.of(*kept, origin="the login in the system's keyring") if kept else None


def _from_environment(registry: str, tools: Tools) -> Credentials | None:
    token, url = tools.environment("AGENT_REGISTRY_TOKEN"), tools.environment("AGENT_REGISTRY_URL")
    host = bare(url or "").partition("/")[0]
    if not token or not (host == registry or {host, registry} <= HUB_NAMES):
        return None
    user, colon, password = token.partition(":")
    pair = (user, password) if colon else (kind_of(registry).fixed_user or ANY_USER, token)
    return Credentials(*pair, origin="AGENT_REGISTRY_TOKEN", bare_token=not colon)


def config_files(tools: Tools) -> Iterator[Path]:
    """The files that Docker, Podman and skopeo keep logins in, the one that is written first."""
    home, runtime = tools.environment("HOME"), tools.environment("XDG_RUNTIME_DIR")
    said = tools.environment("REGISTRY_AUTH_FILE")
    if said:
        yield Path(said)
    folder = tools.environment("DOCKER_CONFIG")
    if folder:
        yield Path(folder, "config.json")
    elif home:
        yield Path(home, ".docker", "config.json")
    if runtime:
        yield Path(runtime, "containers", "auth.json")
    if home:
        yield Path(home, ".config", "containers", "auth.json")


def _from_config(config: Mapping[str, object], registry: str, repository: str, tools: Tools) -> Credentials | None:
    own = lookup(config.get("credHelpers"), registry, repository)
    if isinstance(own, str) and own:
        return _from_helper(Helper(own), registry, tools)
    entry = lookup(config.get("auths"), registry, repository)
    found = _from_entry(entry, registry) if isinstance(entry, dict) else None
    if found is not None:
        return found
    default = config.get("credsStore")
    if isinstance(default, str) and default and tools.which(f"docker-credential-{default}"):
        return _from_helper(Helper(default), registry, tools)
    return None


def lookup(table: object, registry: str, repository: str) -> object:
    """The entry of the longest key that covers ``registry/repository``; Docker Hub has several names."""
    if not isinstance(table, dict):
        return None
    known = {bare(str(key)): value for key, value in table.items()}
    hosts = names_of(registry)
    parts = repository.split("/")
    for length in range(len(parts), -1, -1):
        for host in hosts:
            key = "/".join([host, *parts[:length]])
            if key in known:
                return known[key]
    return None


def _from_entry(entry: Mapping[str, object], registry: str) -> Credentials | None:
    origin = "the login kept for it"
    token = entry.get("identitytoken")
    user, password = entry.get("username"), entry.get("password")
    packed = entry.get("auth")
    if isinstance(packed, str) and packed:
        try:
            user, _, password = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise StepError(
                f"the login kept for {registry} can't be read: 'auth' is not base64",
                hint=f"log in again: {login_command(registry)}",
            ) from None  # the cause would quote the secret
        password = password.rstrip("\0")
    if isinstance(token, str) and token:
        return Credentials(user=str(user or ""), identity_token=token, origin=origin)
    if isinstance(user, str) and user and isinstance(password, str):
        return Credentials(user, password, origin=origin)
    return None


def _from_helper(helper: Helper, registry: str, tools: Tools) -> Credentials | None:
    found = helper.get(registry, tools)
    return Credentials.of(*found, origin=helper.program) if found else None
