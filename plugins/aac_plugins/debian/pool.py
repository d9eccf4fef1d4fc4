"""Package files: fetched side by side into the blob store, each held to its SHA-256."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from aac_plugins.debian.archive import MIRRORS, place_of
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.lock import LockedFile
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError

SNAPSHOT = "http://snapshot.debian.org/archive"
"""Keeps every file the archive ever had; the archive drops a version soon after its successor came."""

MEDIA_DEB = "application/vnd.debian.binary-package"
_THREADS = 4


class Pool:
    """Fetches packages; ``snapshot`` is the lock's date (ISO 8601), for files the archive has dropped."""

    def __init__(self, tools: Tools, snapshot: str) -> None:
        self._tools = tools
        self._moment = "".join(c for c in snapshot if c.isalnum())
        self._lock = threading.Lock()
        self._done = 0
        self._total = 0

    def fetch(self, files: Iterable[LockedFile]) -> None:
        """Bring every file into the store; what is there is not fetched again."""
        missing = [f for f in files if not (digest_of(f) and self._tools.blobs.has(f.blob))]
        if not missing:
            return
        if self._tools.offline and not all(_loopback(place_of(f.url, self._tools)) for f in missing):
            names = ", ".join(f.name for f in missing)
            raise StepError(f"offline, and {len(missing)} Debian packages are not in the store: {names}")
        self._total = sum(f.size for f in missing)
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(self._one, missing):
                pass

    def _one(self, file: LockedFile) -> None:
        urls = [url for url in (place_of(file.url, self._tools), self._snapshot(file.url)) if url]
        said = "no mirror to ask"
        for url in urls:
            with self._tools.http(HttpRequest("GET", url)) as response:
                said = f"{url} answered {response.status}"
                if response.status == 200:
                    self._store(file, url, response.stream())
                    return
        raise StepError(
            f"package {file.name} {file.version}: not to be had any more ({said})",
            hint="lock again to take the version that Debian has now (agent lock)",
        )

    def _store(self, file: LockedFile, url: str, chunks: Iterator[bytes]) -> None:
        try:
            self._tools.blobs.put(self._counted(file, chunks), media_type=MEDIA_DEB, expect=digest_of(file))
        except StepError as error:
            raise StepError(
                f"package {file.name} {file.version}: {url}: {error.message}",
                hint="the mirror or something on the way changed the file; use another AAC_DEBIAN_MIRROR",
            ) from error

    def _counted(self, file: LockedFile, chunks: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if file.size and size > file.size:
                raise StepError(f"longer than the {file.size} bytes that the signed index names")
            with self._lock:
                self._done += len(chunk)
                done = self._done
            self._tools.progress("Debian packages", done, self._total)
            yield chunk

    def _snapshot(self, url: str) -> str:
        """``…/debian/pool/x`` → ``SNAPSHOT/debian/20261121T091544Z/pool/x`` (https://snapshot.debian.org)."""
        top = (self._tools.environment("AAC_DEBIAN_SNAPSHOT_MIRROR") or SNAPSHOT).rstrip("/")
        for archive in sorted(MIRRORS, key=len, reverse=True):
            if self._moment and url.startswith(f"{archive}/"):
                return f"{top}/{archive.rpartition('/')[2]}/{self._moment}/{url[len(archive) + 1 :]}"
        return ""


def digest_of(file: LockedFile) -> Digest:
    """The file's digest; StepError when the lock holds none."""
    try:
        return Digest(f"sha256:{file.sha256}")
    except ValueError as error:
        raise StepError(f"package {file.name}: {error}", hint="agent.lock was edited; lock again") from error


def _loopback(url: str) -> bool:
    return url.startswith(("http://127.", "http://localhost", "http://[::1]"))
