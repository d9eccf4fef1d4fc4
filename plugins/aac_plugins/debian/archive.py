"""Debian's archive: which suites make a release, and their signed indices.

What is locked always names the public archive, so that a lock means the same on every machine; the
environment says where the bytes come from (``AAC_DEBIAN_MIRROR``, ``AAC_DEBIAN_SECURITY_MIRROR``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from aac_plugins.debian.index import INDEX_FORMAT, Index, reduce_packages
from aac_plugins.debian.release import Listed, Release, parse_release
from aac_plugins.debian.signature import ARCHIVE_KEYS, signed_text, unsigned_text
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.tools import HttpRequest, HttpResponse, Tools
from aac_tasks.errors import StepError

MAIN = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
MIRRORS = {MAIN: "AAC_DEBIAN_MIRROR", SECURITY: "AAC_DEBIAN_SECURITY_MIRROR"}
"""Public archive → the variable that names another place of the same files; ``none`` leaves that archive out.

Plain http as apt does it: every byte is checked against a signature, and caches on the way may help."""

RELEASES = ("trixie", "bookworm", "stable")
DEFAULT_RELEASE = "trixie"
_RELEASE_LIMIT = 8 << 20


@dataclass(frozen=True)
class Source:
    """One suite of one archive."""

    archive: str
    suite: str


def sources_of(release: str) -> tuple[Source, ...]:
    """The suites that make ``release``, as a fresh Debian's sources.list has them."""
    return (
        Source(MAIN, release),
        Source(MAIN, f"{release}-updates"),
        Source(SECURITY, f"{release}-security"),
    )


def place_of(url: str, tools: Tools) -> str:
    """Where to fetch a file of the public archive from, here and now; empty: not at all."""
    # The longer name first: one is the beginning of the other.
    for archive in sorted(MIRRORS, key=len, reverse=True):
        if url == archive or url.startswith(f"{archive}/"):
            mirror = tools.environment(MIRRORS[archive]) or archive
            return "" if mirror == "none" else mirror.rstrip("/") + url[len(archive) :]
    return url


@dataclass(frozen=True)
class Read:
    """A suite that was read: its Release file and its index."""

    source: Source
    release: Release
    index: Index


@dataclass(frozen=True)
class _Answer:
    """A file as it came; ``validators`` are the headers by which it is asked for again."""

    data: bytes
    fresh: bool = False
    validators: Mapping[str, str] = field(default_factory=dict)


class Archive:
    """Reads suites. ``clock`` gives seconds since 1970: signatures end."""

    def __init__(self, tools: Tools, clock: Callable[[], float], keyring: Path = ARCHIVE_KEYS) -> None:
        self._tools = tools
        self._clock = clock
        more = tools.environment("AAC_DEBIAN_KEYRING")
        self._keyrings = (keyring, Path(more)) if more else (keyring,)
        self._unsigned = tools.environment("AAC_DEBIAN_ALLOW_UNSIGNED") == "1"

    def codename(self, release: str) -> str:
        """The release's own name (``stable`` → ``trixie``)."""
        return self.release(Source(MAIN, release)).codename if release == "stable" else release

    def read(self, release: str, architecture: str) -> tuple[Read, ...]:
        """All suites of ``release``, side by side; sources are numbered in this order."""
        sources = [s for s in sources_of(release) if place_of(s.archive, self._tools)]
        if not sources:
            raise StepError("AAC_DEBIAN_MIRROR=none and AAC_DEBIAN_SECURITY_MIRROR=none leave no archive")
        with ThreadPoolExecutor(len(sources)) as pool:
            return tuple(pool.map(lambda n: self._read(sources[n], n, architecture), range(len(sources))))

    def _read(self, source: Source, number: int, architecture: str) -> Read:
        release = self.release(source)
        return Read(source, release, Index(self._index(source, release, architecture), number))

    def release(self, source: Source) -> Release:
        """The suite's Release file, signature, name and age checked."""
        url = f"{place_of(source.archive, self._tools)}/dists/{source.suite}/InRelease"
        key = fingerprint({"debian": "InRelease", "url": url})
        answer = self._fetched(url, key)
        release = parse_release(self._text(answer.data, url), url)
        if not release.answers(source.suite):
            raise StepError(
                f"{url}: is the Release file of {release.codename or release.suite}, not of {source.suite}",
                hint="the mirror is wrong; use another one (AAC_DEBIAN_MIRROR)",
            )
        self._check_age(release, url)
        if answer.fresh:  # remembered only now: a refused file must not come back as "not modified"
            digest = self._tools.blobs.put(answer.data, media_type="text/plain").digest
            self._tools.blobs.remember(key, json.dumps({"digest": digest, **answer.validators}))
        return release

    def _text(self, data: bytes, url: str) -> str:
        if not self._unsigned:
            return signed_text(data, url, self._keyrings, self._tools)
        self._tools.note(f"{url}: signature not checked, as AAC_DEBIAN_ALLOW_UNSIGNED=1 says")
        return unsigned_text(data)

    def _check_age(self, release: Release, url: str) -> None:
        now = datetime.fromtimestamp(self._clock(), timezone.utc)
        if release.valid_until is None or release.valid_until >= now or self._unsigned:
            return
        said = f"{url}: valid until {release.valid_until:%Y-%m-%d %H:%M} UTC, and now it is {now:%Y-%m-%d %H:%M}"
        if self._tools.offline:  # nobody can hold back news on a network that is not used
            self._tools.note(f"{said}; taken as it is offline")
            return
        raise StepError(said, hint="the mirror is stale (use another AAC_DEBIAN_MIRROR) or this machine's clock is wrong")

    def _fetched(self, url: str, key: str) -> _Answer:
        """The file's bytes, asked for again only if they changed since last time."""
        memo: dict[str, str] = json.loads(self._tools.blobs.memo(key) or "{}")
        kept = Digest(memo["digest"]) if memo and self._tools.blobs.has(Digest(memo["digest"])) else None
        if self._tools.offline and kept is not None:
            return _Answer(self._kept(kept))
        conditions = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
        headers = {name: memo[sent] for sent, name in conditions.items() if kept and memo.get(sent)}
        with self._tools.http(HttpRequest("GET", url, headers)) as response:
            if response.status == 304 and kept is not None:
                return _Answer(self._kept(kept))
            _expect_ok(response, url)
            data = response.read(_RELEASE_LIMIT)
            found = {sent: response.headers.get(sent, "") for sent in conditions}
        return _Answer(data, fresh=True, validators=found)

    def _kept(self, digest: Digest) -> bytes:
        with self._tools.blobs.open(digest) as file:
            return file.read()

    def _index(self, source: Source, release: Release, architecture: str) -> Path:
        """The reduced index of the suite, made when the Packages file is one not seen before."""
        name = f"main/binary-{architecture}/Packages.xz"
        listed = release.files.get(name)
        if listed is None:
            raise StepError(f"{source.archive} {source.suite} has no {name}: no packages for {architecture}")
        folder = self._tools.cache / "debian"
        folder.mkdir(parents=True, exist_ok=True)
        family = f"{source.suite}-{architecture}-"
        target = folder / f"{family}{listed.sha256}.v{INDEX_FORMAT}"
        if not Index.whole(target):
            with self._tools.scratch() as scratch:
                packages = scratch / "Packages.xz"
                self._packages(source, release, name, packages)
                reduce_packages(packages, target)
            for older in folder.glob(f"{family}*.v*"):
                if older != target:
                    older.unlink(missing_ok=True)
        return target

    def _packages(self, source: Source, release: Release, name: str, into: Path) -> None:
        """Fetch the Packages file: by hash, which no mirror update pulls away, else by name, as apt does."""
        listed = release.files[name]
        top = f"{place_of(source.archive, self._tools)}/dists/{source.suite}"
        named = f"{top}/{name}"
        by_hash = f"{named.rpartition('/')[0]}/by-hash/SHA256/{listed.sha256}"
        for url in (by_hash, named) if release.by_hash else (named,):
            self._tools.progress(f"Debian {source.suite} packages", 0, listed.size)
            with self._tools.http(HttpRequest("GET", url)) as response:
                if response.status == 404 and url != named:
                    continue
                _expect_ok(response, url)
                _save(response.stream(), into, listed, url)
            return


def _save(chunks: Iterator[bytes], into: Path, listed: Listed, url: str) -> None:
    digest, size = hashlib.sha256(), 0
    with into.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > listed.size:
                break
            digest.update(chunk)
            file.write(chunk)
    if size != listed.size or digest.hexdigest() != listed.sha256:
        raise StepError(
            f"{url}: is not the file that the signed Release names (got {size} bytes, sha256 "
            f"{digest.hexdigest()[:12]}…; expected {listed.size} bytes, sha256 {listed.sha256[:12]}…)",
            hint="the mirror was being updated or changed the file: try again, or another AAC_DEBIAN_MIRROR",
        )


def _expect_ok(response: HttpResponse, url: str) -> None:
    if response.status != 200:
        raise StepError(f"{url}: answered {response.status}", hint="is that a Debian mirror? AAC_DEBIAN_MIRROR names one")
