"""Who the user is at a registry: what ``docker login`` or ``podman login`` left, or the environment says.

The file: https://docs.docker.com/reference/cli/docker/login/#credential-stores; helpers:
https://github.com/docker/docker-credential-helpers#development. No secret is ever part of a message.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aac_tasks.contracts.tools import Process, Tools
from aac_tasks.errors import StepError

HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_TOKEN_USER = "<token>"  # noqa: S105  # what helpers write for "the secret is an identity token"
_HELPER_VARIABLES = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"),
    *("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "GNUPGHOME", "GPG_TTY", "PASSWORD_STORE_DIR"),
    *("DOCKER_CONFIG", "CLOUDSDK_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CONFIG_DIR"),
    *("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EC2_METADATA_DISABLED"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
)


@dataclass(frozen=True)
class Credentials:
    """A user with a password, or an identity token to trade for others. ``origin`` is for messages."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    origin: str = ""

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_credentials(registry: str, repository: str, tools: Tools) -> Credentials | None:
    """Credentials for a registry (``ghcr.io``, ``127.0.0.1:5000``), or None for an anonymous user.

    First AGENT_REGISTRY_TOKEN, when AGENT_REGISTRY_URL names this registry; then the configuration files, in
    each of them a helper for this registry, the file's own entry, the default helper. StepError when a file
    is there but can't be read, or a helper named for this registry is missing or fails.
    """
    said = _from_environment(registry, tools)
    if said is not None:
        return said
    for path in _files(tools):
        config = _read(path)
        found = _from_config(config, registry, repository, tools)
        if found is not None:
            return found
    return None


def _from_environment(registry: str, tools: Tools) -> Credentials | None:
    token, url = tools.environment("AGENT_REGISTRY_TOKEN"), tools.environment("AGENT_REGISTRY_URL")
    host = _bare(url or "").partition("/")[0]
    if not token or not (host == registry or {host, registry} <= _HUB_NAMES):
        return None
    user, colon, password = token.partition(":")
    # a registry that takes a token as password (GitHub, GitLab, Gitea) takes any user name with it
    return Credentials(*((user, password) if colon else ("token", token)), origin="AGENT_REGISTRY_TOKEN")


def _files(tools: Tools) -> Iterator[Path]:
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


def _read(path: Path) -> Mapping[str, object]:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise StepError(
            f"{path}: credentials can't be read: {reason}",
            hint="correct the file, or log in again with docker login",
        ) from None  # what json quotes may be a secret
    return value if isinstance(value, dict) else {}


def _from_config(config: Mapping[str, object], registry: str, repository: str, tools: Tools) -> Credentials | None:
    own = _lookup(config.get("credHelpers"), registry, repository)
    if isinstance(own, str) and own:
        return _from_helper(own, registry, tools)
    entry = _lookup(config.get("auths"), registry, repository)
    found = _from_entry(entry, registry) if isinstance(entry, dict) else None
    if found is not None:
        return found
    default = config.get("credsStore")
    if isinstance(default, str) and default and tools.which(f"docker-credential-{default}"):
        return _from_helper(default, registry, tools)
    return None


def _lookup(table: object, registry: str, repository: str) -> object:
    """The entry of the longest key that covers ``registry/repository``; Docker Hub has several names."""
    if not isinstance(table, dict):
        return None
    known = {_bare(str(key)): value for key, value in table.items()}
    hosts = sorted(_HUB_NAMES) if registry in _HUB_NAMES else [registry]
    parts = repository.split("/")
    for length in range(len(parts), -1, -1):
        for host in hosts:
            key = "/".join([host, *parts[:length]])
            if key in known:
                return known[key]
    return None


def _bare(key: str) -> str:
    """A key of ``auths`` without scheme and API version (``https://index.docker.io/v1/``)."""
    text = key.partition("://")[2] or key
    text = text.rstrip("/")
    return text.removesuffix("/v1").removesuffix("/v2")


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


def _from_helper(helper: str, registry: str, tools: Tools) -> Credentials | None:
    program = f"docker-credential-{helper}"
    server = _HUB_KEY if registry in _HUB_NAMES else registry
    environment = {n: v for n in _HELPER_VARIABLES if (v := tools.environment(n)) is not None}
    done = tools.run(Process((program, "get"), env=environment, stdin=server.encode(), timeout=30.0))
    said = done.stdout.strip()
    if done.exit_code != 0:
        if "credentials not found" in f"{said} {done.stderr}".lower():
            return None
        raise StepError(f"{program} has no credentials for {registry}", tail=done.stderr.strip() or said)
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("Secret"), str):
        raise StepError(f"{program} answered something else than credentials for {registry}")
    user, secret = str(answer.get("Username") or ""), answer["Secret"]
    if user == _TOKEN_USER:
        return Credentials(identity_token=secret, origin=program)
    return Credentials(user, secret, origin=program)


def login_command(registry: str) -> str:
    """What a person types to log in."""
    return "docker login" if registry in _HUB_NAMES else f"docker login {registry}"
