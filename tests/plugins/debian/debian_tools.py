"""Tools with real effects and nothing else: a blob store in a folder, urllib, subprocess, a given environment."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aac_tasks.contracts.tools import Completed, HttpRequest, Process, Spawned
from aac_tasks.errors import StepError
from aac_tasks.state.blobs import Blobs


class Answer:
    def __init__(self, raw: object, url: str) -> None:
        self._raw = raw
        self.url = url
        self.status: int = raw.status  # type: ignore[attr-defined]
        self.headers: Mapping[str, str] = {k.lower(): v for k, v in raw.headers.items()}  # type: ignore[attr-defined]

    def read(self, limit: int = 64 << 20) -> bytes:
        data: bytes = self._raw.read(limit + 1)  # type: ignore[attr-defined]
        if len(data) > limit:
            raise StepError("too long")
        return data

    def stream(self, chunk: int = 1 << 20) -> Iterator[bytes]:
        while data := self._raw.read(chunk):  # type: ignore[attr-defined]
            yield data


@dataclass
class HereTools:
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    asked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blobs = Blobs(self.folder / "store")
        self.root = self.state = self.folder
        self.cache = self.folder / "cache"
        self.cache.mkdir(parents=True, exist_ok=True)

    def scratch(self) -> contextlib.AbstractContextManager[Path]:
        return self.blobs.scratch()

    def environment(self, name: str) -> str | None:
        return self.env.get(name)

    @contextlib.contextmanager
    def http(self, request: HttpRequest) -> Iterator[Answer]:
        if self.offline:
            raise StepError(f"offline: {request.url} was asked for")
        self.asked.append(request.url)
        asked = urllib.request.Request(request.url, headers=dict(request.headers), method=request.method)
        try:
            raw = urllib.request.urlopen(asked, timeout=request.timeout)
        except urllib.error.HTTPError as error:
            raw = error
        except OSError as error:
            raise StepError(f"{request.url}: {error}") from error
        with raw:
            yield Answer(raw, request.url)

    def which(self, program: str) -> Path | None:
        found = shutil.which(program)
        return Path(found) if found else None

    def run(self, process: Process) -> Completed:
        done = subprocess.run(process.argv, capture_output=True, text=True, timeout=process.timeout, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)

    def now(self) -> float:
        return time.monotonic()

    def spawn(self, process: Process, *, log: Path, session: bool = True) -> Spawned:
        raise NotImplementedError

    def alive(self, spawned: Spawned) -> bool:
        raise NotImplementedError

    def kill(self, spawned: Spawned, *, grace: float = 10.0) -> None:
        raise NotImplementedError

    def connects(self, host: str, port: int, timeout: float = 1.0) -> bool:
        raise NotImplementedError

    def free_port(self) -> int:
        raise NotImplementedError

    def secret(self, reference: str) -> str:
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def wait_until(self, condition: Callable[[], bool], *, timeout: float, every: float = 0.05) -> bool:
        raise NotImplementedError
