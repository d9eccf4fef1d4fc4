"""npm registries: where a package is, with whose credentials, and whether what came is what the lock file says.

Settings are npm's own (https://docs.npmjs.com/cli/configuring-npm/npmrc): the project's .npmrc as far as it may be kept, the
user's, and variables. Credentials are read when something is fetched and never leave this module but in a header.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from aac_plugins.runtimes.nodejs_tree import Entry
from aac_tasks.contracts.canonical import JsonObject, fingerprint
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.lock import LockedFile
from aac_tasks.contracts.tools import HttpRequest, HttpResponse, Tools
from aac_tasks.errors import StepError

PUBLIC = "https://registry.npmjs.org/"
MIRRORED = (PUBLIC, "https://registry.yarnpkg.com/")
"""Addresses that lock files hold and npm replaces by the registry that is set (``replace-registry-host``)."""

TARBALL = "application/vnd.npm.tarball+gzip"
ALGORITHMS = ("sha512", "sha384", "sha256", "sha1")
"""Of subresource integrity (https://www.w3.org/TR/SRI/), strongest first; sha1 is what old registries and Yarn 1 have."""

HINT = "look at the network and HTTPS_PROXY; another registry goes into NPM_CONFIG_REGISTRY or an .npmrc"


@dataclass(frozen=True)
class Settings:
    """What .npmrc files and variables say. ``values`` are unexpanded: ``${VAR}`` is looked up when it is needed."""

    values: Mapping[str, str]
    tools: Tools = field(repr=False)

    def registry(self, name: str) -> str:
        """The registry that has a package, with a slash at the end."""
        scope = name.partition("/")[0] if name.startswith("@") else ""
        found = self._value(f"{scope}:registry") if scope else ""
        return (found or self._value("registry") or PUBLIC).rstrip("/") + "/"

    def address(self, url: str) -> str:
        """Where to fetch what a lock file has under ``url``."""
        for public in MIRRORED:
            if url.startswith(public):
                return self.registry(_package_in(url.removeprefix(public))) + url.removeprefix(public)
        return url

    def headers(self, url: str) -> dict[str, str]:
        """Credentials for ``url``: those of the longest ``//host/path/`` that it lies below."""
        parts = urlsplit(url)
        path = parts.path
        while True:
            path = path.rpartition("/")[0]
            key = f"//{parts.netloc}{path}/"
            token, basic = self._value(f"{key}:_authToken"), self._value(f"{key}:_auth")
            user, password = self._value(f"{key}:username"), self._value(f"{key}:_password")
            if token:
                return {"authorization": f"Bearer {token}"}
            if user and password:
                basic = base64.b64encode(f"{user}:{base64.b64decode(password).decode()}".encode()).decode()
            if basic:
                return {"authorization": f"Basic {basic}"}
            if not path:
                return {}

    def _value(self, name: str) -> str:
        return re.sub(r"\$\{(\w+)\}", lambda found: self.tools.environment(found[1]) or "", self.values.get(name, ""))


def settings(project: str, tools: Tools) -> Settings:
    """The user's .npmrc, over it the project's lines, over it the variable."""
    home = tools.environment("HOME")
    said = tools.environment("NPM_CONFIG_USERCONFIG") or tools.environment("npm_config_userconfig")
    own = Path(said) if said else Path(home or "/nonexistent") / ".npmrc"
    values = {**_lines(own.read_text("utf-8", errors="replace") if own.is_file() else ""), **_lines(project)}
    variable = tools.environment("NPM_CONFIG_REGISTRY") or tools.environment("npm_config_registry")
    return Settings({**values, **({"registry": variable} if variable else {})}, tools)


def _lines(text: str) -> dict[str, str]:
    """``name = value`` lines of an .npmrc (an ini file without sections)."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}


def _package_in(path: str) -> str:
    """``@scope/name/-/name-1.0.tgz`` → ``@scope/name``."""
    return path.partition("/-/")[0]


def tarball_url(name: str, version: str) -> str:
    """Where every registry has a package's tarball (pnpm's lock files rely on it); on the public one until it is fetched."""
    return f"{PUBLIC}{name}/-/{name.rpartition('/')[2]}-{version}.tgz"


def described(name: str, version: str, known: Settings, tools: Tools) -> JsonObject:
    """A version's package.json with ``dist``, as the registry has it.

    Raises:
        StepError: it has no such package or version, or does not answer.
    """
    package = known.registry(name) + quote(name, safe="@")
    for url in (f"{package}/{quote(version)}", package):  # not every registry answers the first
        with _asked(url, known, tools) as answer:
            if answer.status in (401, 403):
                raise _refused(url, answer.status)
            found = json.loads(answer.read()) if answer.status == 200 else {}
        about: JsonObject = found if "dist" in found else found.get("versions", {}).get(version, {})
        if about:
            return about
    raise StepError(f"the registry {known.registry(name)} has no {name} {version}", hint=HINT)


def _asked(url: str, known: Settings, tools: Tools) -> AbstractContextManager[HttpResponse]:
    return tools.http(HttpRequest("GET", url, known.headers(url), timeout=120.0))


def fetched(path: str, entry: Entry, known: Settings, tools: Tools) -> LockedFile:
    """Bring a tarball into the blob store, verified by the integrity of the lock file, and pin it by SHA-256.

    What was verified before is not fetched again.

    Raises:
        StepError: it can't be fetched, or is not what the lock file says.
    """
    url, integrity = entry["resolved"], entry.get("integrity", "")
    name = fingerprint({"npm tarball": [integrity or url]})
    digest, size = (tools.blobs.memo(name) or " ").split(" ")
    if not (digest and tools.blobs.has(Digest(digest))):
        stored = Digest(_download(url, known, tools, integrity))
        digest, size = stored, str(tools.blobs.path(stored).stat().st_size)
        tools.blobs.remember(name, f"{digest} {size}")
    return LockedFile(path, entry.get("version", ""), url, Digest(digest).hex, int(size))


def refetched(file: LockedFile, known: Settings, tools: Tools) -> None:
    """Bring back what a lock pins, where the store has lost it; StepError when it is another now."""
    _download(file.url, known, tools, "", Digest(f"sha256:{file.sha256}"))


def _download(url: str, known: Settings, tools: Tools, integrity: str, expect: Digest | None = None) -> str:
    if tools.offline:
        raise StepError(f"not downloaded yet: {url}", hint="run once without --offline")
    address = known.address(url)
    with _asked(address, known, tools) as answer:
        if answer.status != 200:
            raise _refused(address, answer.status)
        body = _verified(answer.stream(), integrity, address)
        return tools.blobs.put(body, media_type=TARBALL, expect=expect).digest


def _verified(pieces: Iterable[bytes], integrity: str, url: str) -> Iterator[bytes]:
    """The same bytes; StepError at the end unless one of the strongest hashes in ``integrity`` is theirs."""
    said = [word.partition("?")[0].partition("-")[::2] for word in integrity.split()]
    algorithm = next((a for a in ALGORITHMS if any(a == name for name, _ in said)), "")
    if integrity and not algorithm:
        raise StepError(f"{url}: integrity {integrity!r} is of no known kind; expected {', '.join(ALGORITHMS)}")
    seen = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
    for piece in pieces:
        if seen is not None:
            seen.update(piece)
        yield piece
    if seen is not None:
        found = base64.b64encode(seen.digest()).decode()
        if not any(name == algorithm and value == found for name, value in said):
            raise StepError(
                f"{url} is not what the lock file says: its {algorithm} is {found[:12]}…, not {_first(said, algorithm)[:12]}…",
                hint="somebody changed the file, or the lock file: find out which; write the lock file anew if it is wrong",
            )


def _first(said: Iterable[tuple[str, str]], algorithm: str) -> str:
    return next(value for name, value in said if name == algorithm)


def _refused(url: str, status: int) -> StepError:
    if status in (401, 403):
        host = urlsplit(url).netloc
        hint = f"put //{host}/:_authToken=${{NPM_TOKEN}} into an .npmrc and set NPM_TOKEN"
        return StepError(f"{url} answered {status}: the registry wants credentials", hint=hint)
    return StepError(f"{url} answered {status}", hint="the registry does not have this file (any more): lock again, or mend it")
