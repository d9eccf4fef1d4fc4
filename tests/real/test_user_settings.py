"""Where modules, crates and jars come from is the user's to say, to an engine's commands too: nothing of it stays in an image."""

from __future__ import annotations

import base64
import contextlib
import http.server
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from real.dockerd import SUBNET, Engine
from real.test_lock_in_image import GO, JAVA, agent, bare, with_docker

from aac_tasks.testing import Project

__all__ = ["bare"]

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

GATEWAY = SUBNET.partition("/")[0]
"""Where builds reach this machine."""

CRATE = 'fn main() { println!("{}", itoa::Buffer::new().format(1)); }\n'

PASSWORD = "not-for-everybody"
"""What the mirror wants to hear, from ``ada``."""


@dataclass
class Mirror:
    """Answers with what ``origin`` has, to who knows the password."""

    origin: str
    address: str = ""
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def mirror(origin: str, *, guarded: bool = True) -> Iterator[Mirror]:
    made = Mirror(origin)
    expected = f"Basic {base64.b64encode(f'ada:{PASSWORD}'.encode()).decode()}"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if guarded and self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            made.asked.append(self.path)
            try:
                with urllib.request.urlopen(f"{made.origin}{self.path}", timeout=60) as answer:  # noqa: S310  # of ours
                    self._answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.read())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    with http.server.ThreadingHTTPServer((GATEWAY, 0), Handler) as server:
        made.address = f"http://{GATEWAY}:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def home_of(user: Project) -> Path:
    return Path(user.env["HOME"])


def nowhere(user: Project, said: str) -> None:
    """The password is on no screen, and in no file that stays."""
    assert PASSWORD not in said
    kept = [*user.folder.rglob("*"), *Path(user.env["XDG_CACHE_HOME"]).rglob("*")]
    for path in (path for path in kept if path.is_file() and path.stat().st_size < 1 << 20):
        assert PASSWORD.encode() not in path.read_bytes(), path


def test_modules_come_from_the_proxy_that_the_user_named(bare: Project, docker_engine: Engine) -> None:
    user = with_docker(agent(bare, "go", "github.com/go-chi/chi/v5@v5.2.1", {"main.go": GO}), docker_engine)
    with mirror("https://proxy.golang.org", guarded=False) as place:  # Go tells no password where nobody is who he says
        env = {"GOPROXY": place.address, "GONOSUMDB": "*"}
        user.agent("lock", env=env).ok()
        assert any("chi" in path for path in place.asked), "it was asked for the lock"
        place.asked.clear()
        user.agent("build", "--no-cache", env=env).ok()  # another test may have compiled the same from elsewhere
        assert any(path.endswith(".zip") for path in place.asked), "and for the build"
        refused = user.agent("build", "--no-cache", env={"GOPROXY": place.address.replace("//", f"//ada:{PASSWORD}@")})
        assert refused.exit_code == 1
        nowhere(user, refused.output)


def test_crates_come_from_the_registry_that_the_user_named(bare: Project, docker_engine: Engine) -> None:
    user = with_docker(agent(bare, "rust", "itoa@=1.0.15", {"main.rs": CRATE}), docker_engine)
    with mirror("https://index.crates.io", guarded=False) as place:
        settings = '[source.crates-io]\nreplace-with = "here"\n[source.here]\nregistry = "sparse+{}/"\n'
        (home_of(user) / ".cargo").mkdir(parents=True, exist_ok=True)
        (home_of(user) / ".cargo/config.toml").write_text(settings.format(place.address))
        user.agent("lock").ok()
        assert "/it/oa/itoa" in place.asked
        place.asked.clear()
        user.agent("build", "--no-cache").ok()
        assert any(path == "/config.json" for path in place.asked)


def test_jars_come_from_the_repository_that_the_user_named(bare: Project, docker_engine: Engine) -> None:
    user = with_docker(agent(bare, "java", "com.google.code.gson:gson:2.11.0", {"Main.java": JAVA}), docker_engine)
    with mirror("https://repo.maven.apache.org/maven2") as place:
        server = f"<server><id>here</id><username>ada</username><password>{PASSWORD}</password></server>"
        told = f"<mirror><id>here</id><mirrorOf>*</mirrorOf><url>{place.address}</url></mirror>"
        (home_of(user) / ".m2").mkdir(parents=True, exist_ok=True)
        text = f"<settings><mirrors>{told}</mirrors><servers>{server}</servers></settings>"
        (home_of(user) / ".m2/settings.xml").write_text(text)
        said = user.agent("lock").output
        assert any("gson" in path for path in place.asked)
        shutil.rmtree(home_of(user) / ".m2")
        nowhere(user, said)
