from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aac_plugins.bases.debian import DebianBase
from aac_tasks.conformance.lending import lend
from aac_tasks.steps.tools import StepTools

sys.path.insert(0, str(Path(__file__).parent))

from debian_archive import NOW, TinyArchive, keyring  # its folder is no package


@dataclass
class Served:
    """What a served folder was asked for: paths with the status of the answer."""

    asked: list[tuple[str, int]] = field(default_factory=list)

    def paths(self, status: int | None = None) -> list[str]:
        return [path for path, answer in self.asked if status in (None, answer)]


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, served: Served, *arguments: object, directory: str) -> None:
        self.served = served
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def log_request(self, code: object = "-", size: object = "-") -> None:
        self.served.asked.append((self.path, int(code)))  # type: ignore[call-overload]

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def serving(folder: Path, served: Served) -> Iterator[str]:
    handler = partial(Handler, served, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:  # else a failed test leaves a thread that never ends
            server.shutdown()
            thread.join()


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def archive(tmp_path: Path, served: Served) -> Iterator[TinyArchive]:
    """A published archive with a minimal root and Python 3.13."""
    top = tmp_path / "mirror"
    top.mkdir()
    with serving(top, served) as url:
        tiny = TinyArchive(top, url)
        tiny.minimal()
        tiny.python()
        tiny.publish()
        yield tiny


@pytest.fixture
def base(tmp_path: Path) -> DebianBase:
    return DebianBase(clock=NOW.timestamp, keyring=keyring(tmp_path / "tiny.gpg"))


MakeTools = Callable[..., StepTools]


@pytest.fixture
def make_tools(tmp_path: Path) -> MakeTools:
    """Real tools on stores of their own; ``notes`` collects what people are told."""

    def make(
        environment: dict[str, str] | None = None,
        *,
        store: str = "store",
        offline: bool = False,
        notes: list[str] | None = None,
    ) -> StepTools:
        full = {"PATH": "/usr/bin:/bin", **(environment or {})}
        return lend(tmp_path / store, full, offline=offline, notes=notes).tools

    return make


@pytest.fixture
def tools(make_tools: MakeTools, archive: TinyArchive) -> StepTools:
    return make_tools(archive.environment)
