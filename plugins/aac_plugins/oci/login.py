"""`agent login` and `logout`: a login is shown to the registry first, and kept where Docker would look for it.

Kept, in this order: by the helper that Docker's configuration names for the registry, or for all of them; in its file, when
that has a login for the registry already; in the system's keyring; in its file.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from aac_plugins.oci import keychain
from aac_plugins.oci.auth import Access, Authority, RefusedError, login_needed
from aac_plugins.oci.credential_helper import TOKEN_USER, Helper, bare, names_of, server_key
from aac_plugins.oci.credentials import Credentials, config_files, find_credentials, lookup
from aac_plugins.oci.distribution import Client
from aac_plugins.oci.endpoint import Endpoint, find_endpoint, patience
from aac_plugins.oci.known import ANY_USER, HUB, HUB_NAMES, kind_of
from aac_plugins.oci.private_file import read_private, write_private
from aac_tasks.contracts.login import LoggedIn, Login, Permission
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError, UsageError


def log_in(server: str, login: Login, tools: Tools) -> LoggedIn:
    """Check and keep a login; see `ServerRegistry`."""
    registry = HUB if server in HUB_NAMES else server
    if not (login.user or login.token or kind_of(registry).fixed_user):
        raise UsageError(f"agent login {registry}: whose password? say -u USER, or --token-stdin for a token alone")
    endpoint = find_endpoint(registry, tools)
    refused: StepError | None = None
    for candidate in _candidates(registry, login):
        try:
            checked = _shown(endpoint, candidate, tools)
        except StepError as error:
            refused = refused or error
            continue
        return LoggedIn(registry, candidate.user or login.user, _keep(registry, candidate, tools), checked)
    raise refused or StepError(f"no login for {registry}: the password is empty")


def log_out(server: str, tools: Tools) -> tuple[str, ...]:
    """Forget a login; every place where it was."""
    registry = HUB if server in HUB_NAMES else server
    places = [place for path in config_files(tools) for place in _forgotten(path, registry, tools)]
    if keychain.erase(registry, tools):
        places.append("the system's keyring")
    return tuple(places)


def permission(server: str, repository: str, tools: Tools) -> Permission:
    """What may be done there; see `ServerRegistry`."""
    registry = HUB if server in HUB_NAMES else server
    endpoint = find_endpoint(registry, tools)
    client = Client(Access(endpoint, repository, "pull,push"), Authority(), tools)
    login = find_credentials(registry, repository, tools)
    found = Permission(registry, endpoint.url, repository, f"{login.user} ({login.origin})".strip() if login else "")
    try:
        with client.ask("POST", "blobs/uploads/", body=b"") as answer:
            client.expect(answer, (202,), "asked to upload")
            location = client.location(answer)
    except RefusedError as error:
        return replace(found, refusal=str(error))
    return replace(found, taken_back=_cancelled(client, location, tools))


def _cancelled(client: Client, location: str, tools: Tools) -> bool:
    """Whether the upload was taken back: Distribution wants the right to delete for it, and forgets it after a while if not."""
    try:
        with client.send(HttpRequest("DELETE", location, timeout=patience(tools), redirects=0)) as answer:
            return answer.status in (200, 202, 204)
    except StepError:
        return False


def _candidates(registry: str, login: Login) -> Iterator[Credentials]:
    """What the secret may be: only the registry can tell a password from a token that it trades for others."""
    origin = "this login"
    traded = Credentials(user=login.user, identity_token=login.secret, origin=origin)
    password = Credentials(login.user or kind_of(registry).fixed_user or ANY_USER, login.secret, origin=origin)
    if not login.secret:
        return
    if login.token and not login.user:
        yield traded
    yield password
    if login.token and login.user:
        yield traded


def _shown(endpoint: Endpoint, credentials: Credentials, tools: Tools) -> bool:
    """Whether the registry looked at the credentials; StepError when it does not take them."""
    access = Access(endpoint)
    authority = Authority(lambda *_: credentials)
    client = Client(access, authority, tools)
    request = HttpRequest("GET", f"{endpoint.url}/v2/", timeout=patience(tools))
    with client.send(request) as answer:
        _expect_registry(client, answer.status)
    if authority.header(access, tools):
        return True
    # it let an anonymous user in: some do, and look at a password all the same
    if credentials.identity_token:
        raise RefusedError(f"{endpoint.registry} asks for no login, so it trades no token")
    with tools.http(replace(request, headers={"authorization": credentials.basic})) as answer:
        if answer.status in (401, 403):
            raise login_needed(access, f"the registry refuses {credentials.origin}")
    return False


def _expect_registry(client: Client, status: int) -> None:
    if status in (401, 403):
        raise login_needed(client.access, f"the registry answered {status}")
    if status != 200:
        url = client.access.endpoint.url
        raise StepError(f"{url}/v2/ answered {status}: it is no registry, or not well", hint="check the address")


@dataclass(frozen=True)
class _Config:
    """Docker's configuration, as far as logins go."""

    path: Path
    value: dict[str, object]

    def helper(self, registry: str, tools: Tools) -> Helper | None:
        """The helper for the registry, else the one for all, where it is installed."""
        own = lookup(self.value.get("credHelpers"), registry, "")
        if isinstance(own, str) and own:
            return Helper(own)
        default = self.value.get("credsStore")
        if isinstance(default, str) and default and tools.which(Helper(default).program):
            return Helper(default)
        return None

    def write_entry(self, registry: str, entry: dict[str, str]) -> None:
        """Add or replace the registry's entry; everything else stays."""
        auths = self.value.get("auths")
        kept = auths if isinstance(auths, dict) else {}
        write_private(self.path, {**self.value, "auths": {**kept, server_key(registry): entry}})

    def remove_entry(self, registry: str) -> bool:
        """Remove the registry's entries; whether there was one."""
        auths = self.value.get("auths")
        kept = auths if isinstance(auths, dict) else {}
        left = {key: entry for key, entry in kept.items() if bare(str(key)) not in names_of(registry)}
        if len(left) < len(kept):
            write_private(self.path, {**self.value, "auths": left})
        return len(left) < len(kept)


def _keep(registry: str, credentials: Credentials, tools: Tools) -> str:
    path = next(config_files(tools), None)
    config = _Config(path, read_private(path)) if path is not None else None
    secret = credentials.identity_token or credentials.password
    user = TOKEN_USER if credentials.identity_token else credentials.user
    helper = config.helper(registry, tools) if config else None
    if config and helper:
        helper.store(registry, user, secret, tools)
        config.write_entry(registry, {})  # as Docker notes that a helper has it
        return helper.program
    known = config is not None and lookup(config.value.get("auths"), registry, "") is not None
    if keychain.usable() and not known:
        return keychain.store(registry, user, secret, tools)
    if config is None:
        raise StepError("there is no place to keep a login: HOME and DOCKER_CONFIG are not set", hint="set HOME")
    packed = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
    entry = {"auth": packed, "identitytoken": secret} if credentials.identity_token else {"auth": packed}
    config.write_entry(registry, entry)
    return str(config.path)


def _forgotten(path: Path, registry: str, tools: Tools) -> Iterator[str]:
    config = _Config(path, read_private(path))
    helper = config.helper(registry, tools)
    if helper and tools.which(helper.program) and helper.erase(registry, tools):
        yield helper.program
    entry = lookup(config.value.get("auths"), registry, "")
    if config.remove_entry(registry) and entry:  # an empty one says only that a helper has it
        yield str(path)
