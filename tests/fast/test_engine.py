"""An image in a container engine is vouched for by the engine, asked once by name over its socket."""

from __future__ import annotations

import http.server
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aac_tasks.fast import ENGINE_SECONDS, look_at
from aac_tasks.state.manifest import AgentEvidence, Evidence, write_manifest
from aac_tasks.state.root import StateFolder

ID = "sha256:" + "1" * 64


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Knows ``images`` by name; answers each question after ``pause`` seconds."""

    daemon_threads = True
    images: dict[str, str]
    pause = 0.0
    asked: list[str]


class Answers(http.server.BaseHTTPRequestHandler):
    server: Engine

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        time.sleep(self.server.pause)
        known = self.server.images.get(self.path.removeprefix("/images/").removesuffix("/json"))
        body = f'{{"Id":"{known}","RepoTags":[]}}'.encode() if known else b'{"message":"no such image"}'
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a socket has no address"

    def log_message(self, format: str, *args: object) -> None:
        """Not on the screen of the tests."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(str(tmp_path / "engine.sock"), Answers) as server:
        server.images, server.asked = {"hello:1.0": ID}, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def built(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project whose last build left an image in that engine."""
    monkeypatch.chdir(tmp_path)
    state = StateFolder(tmp_path)
    state.open()
    images = ((str(engine.server_address), "hello:1.0", ID),)
    hello = AgentEvidence("hello", "", "agent.yaml", {}, images=images)
    assert write_manifest(state, ["build"], Evidence({}, {}, (hello,), "up to date\n"))


def says_up_to_date() -> bool:
    look = look_at(["build"])
    assert look is not None
    return look.is_unchanged


@pytest.mark.usefixtures("built")
def test_an_image_that_the_engine_still_has_is_up_to_date_after_one_question(engine: Engine) -> None:
    assert says_up_to_date()
    assert engine.asked == ["/images/hello:1.0/json"]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("there", [None, "sha256:" + "2" * 64])
def test_an_image_that_was_removed_or_whose_name_was_given_to_another_is_not(engine: Engine, there: str | None) -> None:
    engine.images = {"hello:1.0": there} if there else {}
    assert not says_up_to_date()


@pytest.mark.usefixtures("built")
def test_an_engine_that_is_gone_or_silent_has_nothing_and_is_not_waited_for(engine: Engine) -> None:
    engine.pause = 10 * ENGINE_SECONDS
    began = time.monotonic()
    assert not says_up_to_date()
    assert time.monotonic() - began < 5 * ENGINE_SECONDS
    Path(str(engine.server_address)).unlink()
    assert not says_up_to_date()
