"""The same agent beside plain `docker build` and bake: nothing changed, an edited line, a cold build, sizes.

The engine is the one that the tests start (root; Debian's packages). Both sides have the same base (for the peer: an agent
without dependencies, which `agent build` put into the engine), the same packages and the same sources; the peers' Dockerfile
is what a careful author writes: uv with a cache mount, dependencies before sources, no attestations.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import AGENT, ROOT, Lab
from benchmarks.measure import Place, Sample
from benchmarks.rows import NO_OP, PASS, Row

sys.path.append(str(ROOT / "tests"))  # the engine that tests start

from real.dockerd import Engine, networked_engine, unpacked_engine

DOCKER_NO_OP = "peer: `docker build`, nothing changed"
OURS_NO_OP = "`agent build` with builder docker, nothing changed"
INSPECT = "one inspect of an image by `docker image inspect`"
DOCKER_EDIT = "peer: `docker build` and `docker run`, one line edited, until it is healthy"
COMPILED_EDIT = f"{DOCKER_EDIT}; uv with `--compile-bytecode`"
RUN = "the limit: `docker run` of an image that is there, until it is healthy"
OURS_DEV = "`agent dev` with builder and runner docker, one line edited, until it is healthy"
OURS_EDIT = "`agent run -d` with builder and runner docker, one line edited, until it is healthy"
DOCKER_COLD = "peer: `docker build --no-cache`, uv with a warm cache mount"
OURS_COLD = "`agent build --no-cache` with builder docker"
EMBEDDED_COLD = "`agent build --no-cache` with builder embedded"

DEPENDENCIES = ("fastapi==0.115.6", "uvicorn==0.34.0", "httpx==0.28.1", "pydantic==2.10.4", "jinja2==3.1.5")

HEALTH = "  healthCheck: {path: /health}\n"

MAIN = """\
import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


uvicorn.run(app, host="0.0.0.0", port=8080, log_level="warning")
"""

DOCKERFILE = """\
FROM {base} AS dependencies
USER 0:0
COPY uv ca.crt requirements.txt /build/
ENV SSL_CERT_FILE=/build/ca.crt
RUN --mount=type=cache,target=/cache ["/build/uv", "pip", "install", "--quiet", "--cache-dir", "/cache", "--python", \
"/usr/bin/python3", "--target", "/opt/agent", "--link-mode", "copy", {more}"-r", "/build/requirements.txt"]
FROM {base}
ENV PYTHONPATH=/opt/agent PYTHONDONTWRITEBYTECODE=1
COPY --from=dependencies /opt/agent /opt/agent
COPY main.py /app/
WORKDIR /app
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["python3", "main.py"]
"""

_SERVES = re.compile(r"(?<= serves at )http://\S+")

BAKE = 'target "default" {\n  tags = ["peer:bake"]\n  attest = []\n}\n'


@dataclass(frozen=True)
class Yard:
    """``ours`` is an agent, ``still`` the same, never edited, ``peer`` a folder with a Dockerfile, of a user of ``engine``;
    ``compiled`` another, whose image holds the bytecode of its packages.
    """

    lab: Lab
    engine: Engine
    ours: Place
    still: Place
    peer: Place
    compiled: Place

    @property
    def docker(self) -> str:
        """The engine's own client."""
        return str(self.engine.binaries / "bin/docker")

    @property
    def agent(self) -> str:
        """Our command."""
        return self.lab.command("agent")


@contextlib.contextmanager
def yard(top: Path, lab: Lab) -> Iterator[Yard]:
    """Start an engine, build both once, and take everything down at the end."""
    (top / "engine").mkdir()
    with networked_engine(unpacked_engine(), top / "engine") as engine:
        env = {**lab.still.env, **engine.env, "PATH": f"{lab.bin}:{engine.env['PATH']}"}
        ours, bare, peer, compiled = (Place(top / name, env) for name in ("ours", "bare", "peer", "compiled"))
        kept = Place(top / "kept", {**env, "XDG_CACHE_HOME": str(top / "kept-cache")})  # where nobody writes a layer anew
        for place in (ours, kept, bare, peer, compiled):
            place.folder.mkdir()
            (place.folder / "main.py").write_text(MAIN)
        made = Yard(lab, engine, ours, kept, peer, compiled)
        for place, name, dependencies in (
            (ours, "benched", DEPENDENCIES),
            (kept, "kept", DEPENDENCIES),
            (bare, "bare", ()),
        ):
            (place.folder / ".git").mkdir()
            text = AGENT.format(name=name, dependencies=f"[{', '.join(dependencies)}]")
            (place.folder / "agent.yaml").write_text(text + HEALTH)
            place.said(made.agent, "lock", "--builder", "docker")
            place.said(made.agent, "build")
        _peer(made, peer)
        _peer(made, compiled, '"--compile-bytecode", ')
        yield made


def _peer(made: Yard, place: Place, more: str = "") -> None:
    """The same agent as its author would write it for Docker."""
    folder = place.folder
    shutil.copy(made.lab.bin / "uv", folder / "uv")
    shutil.copy(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), folder / "ca.crt")
    (folder / "requirements.txt").write_text("\n".join(DEPENDENCIES) + "\n")
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base="bare:1.0", more=more))
    (folder / "docker-bake.hcl").write_text(BAKE)
    place.said(*build(made, name=_name(place)))


def _name(peer: Place) -> str:
    return f"{peer.folder.name}:1"


def build(made: Yard, *more: str, name: str = "peer:1") -> tuple[str, ...]:
    """`docker build` as it is fastest: no attestation, which would make every image another one."""
    return (made.docker, "build", "--provenance=false", "-q", "-t", name, *more, ".")


def engine_rows(made: Yard) -> list[Row]:
    """What an engine's user waits for, ours beside the peers."""
    ours, peer, docker, agent = made.ours, made.peer, made.docker, made.agent
    built, still = (agent, "build"), made.still
    for _ in range(3):  # until stats and one question answer
        still.said(*built)
        time.sleep(0.1)
    edits, peer_edits, compiled_edits = _edits(made, _ours_again), _edits(made, _peer_again), _edits(made, _compiled_again)
    runs, saved = _edits(made, _peer_runs, _peer_builds), _developed(made)
    return [
        Row(INSPECT, lambda: ours.timed(docker, "image", "inspect", "kept:1.0")),
        Row(DOCKER_NO_OP, lambda: peer.timed(*build(made)), PASS),
        Row("peer: `docker buildx bake`, nothing changed", lambda: peer.timed(docker, "buildx", "bake", "--load"), PASS),
        Row(OURS_NO_OP, lambda: still.timed(*built), DOCKER_NO_OP, factor=1.0),
        Row(f"{OURS_NO_OP}, beside an interpreter", lambda: still.timed(*built), PASS),
        Row(DOCKER_EDIT, lambda: next(peer_edits), NO_OP),
        Row(COMPILED_EDIT, lambda: next(compiled_edits), DOCKER_EDIT),
        Row(RUN, lambda: next(runs), DOCKER_EDIT),
        Row(OURS_EDIT, lambda: next(edits), DOCKER_EDIT, factor=0.5),
        Row(OURS_DEV, lambda: next(saved), DOCKER_EDIT, factor=0.5),
        Row(DOCKER_COLD, lambda: peer.timed(*build(made, "--no-cache")), PASS),
        Row(OURS_COLD, lambda: ours.timed(*built, "--no-cache"), DOCKER_COLD, factor=1.0),
        Row(EMBEDDED_COLD, lambda: ours.timed(agent, "build", "--builder", "embedded", "--no-cache"), DOCKER_COLD, factor=1.0),
    ]


def _edits(made: Yard, again: Callable[[Yard], str], before: Callable[[Yard], object] = lambda _: None) -> Iterator[Sample]:
    """Each time another line in both sources; the agent must answer with it. What is done ``before`` is not measured."""
    while True:
        expected = str(time.time_ns())
        for place in (made.ours, made.peer, made.compiled):
            (place.folder / "main.py").write_text(MAIN.replace('"ok"', f'"{expected}"'))
        time.sleep(0.05)  # no editor is faster
        before(made)
        started = time.perf_counter()
        url = again(made)
        wait_for(url, expected)
        yield Sample(1000 * (time.perf_counter() - started), 0.0)
        _stop(made)


def _developed(made: Yard) -> Iterator[Sample]:
    """Each time a session of `agent dev` that serves, and then another line in the source, saved as above."""

    def edit() -> str:
        expected = str(time.time_ns())
        (made.ours.folder / "main.py").write_text(MAIN.replace('"ok"', f'"{expected}"'))
        return expected

    made.lab.still.said(made.lab.python, "-m", "pip", "install", "-q", "watchfiles")
    while True:
        sample = developed(made.ours, (made.agent, "dev", "--runner", "docker", "benched"), edit)
        _stop(made)
        yield sample


def developed(place: Place, argv: tuple[str, ...], edit: Callable[[], str]) -> Sample:
    """A session of `agent dev` that serves, and then an edit until it answers with the word that the edit put there."""
    with subprocess.Popen(argv, cwd=place.folder, env=dict(place.env), stdout=subprocess.PIPE, text=True) as session:
        said = iter(session.stdout or ())
        url = next(found[0] for line in said if (found := _SERVES.search(line)))
        time.sleep(1.0)
        started = time.perf_counter()
        wait_for(url, edit())
        sample = Sample(1000 * (time.perf_counter() - started), 0.0)
        session.send_signal(signal.SIGINT)
        session.communicate()
    return sample


def _ours_again(made: Yard) -> str:
    said = made.ours.said(made.agent, "run", "-d", "--runner", "docker", "--json", "benched")
    return str(json.loads(said)["url"])


def _peer_builds(made: Yard, peer: Place | None = None) -> None:
    peer = peer or made.peer
    peer.said(*build(made, name=_name(peer)))


def _peer_again(made: Yard, peer: Place | None = None) -> str:
    _peer_builds(made, peer)
    return _peer_runs(made, peer)


def _compiled_again(made: Yard) -> str:
    return _peer_again(made, made.compiled)


def _peer_runs(made: Yard, peer: Place | None = None) -> str:
    peer = peer or made.peer
    container = peer.said(made.docker, "run", "-d", "-p", "127.0.0.1::8080", _name(peer)).strip()
    return f"http://{peer.said(made.docker, 'port', container, '8080/tcp').strip()}"


def wait_for(url: str, word: str) -> None:
    """Until the agent or the peer there says that word of itself."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):
            if json.load(opener.open(f"{url}/health", timeout=5))["status"] == word:
                return
        time.sleep(0.02)
    raise SystemExit(f"{url} never answered {word}")


def wait_for_bytecode(engine: Engine) -> None:
    """Until nothing compiles modules ahead any more."""
    while engine.docker("ps", "-q", "--filter", "label=dev.agent.bytecode").ok().stdout:
        time.sleep(0.5)


def _stop(made: Yard) -> None:
    """Whatever runs in the engine, not measured; what compiles modules ends by itself."""
    wait_for_bytecode(made.engine)
    running = made.engine.docker("ps", "-aq").ok().stdout.split()
    if running:
        made.engine.docker("rm", "-f", *running).ok()
    for one in json.loads(made.ours.said(made.agent, "ps", "--json"))["instances"]:
        made.ours.said(made.agent, "stop", str(one["name"]))


def sizes(made: Yard) -> list[tuple[str, float]]:
    """Image → MB of its layers as the engine has them, unpacked."""
    peers = {"peer, by its Dockerfile": "peer:1", "peer with `--compile-bytecode`": "compiled:1"}
    names = {"ours, builder docker": "benched:1.0", **peers}
    format_ = "{{.Size}}"
    return [
        (what, int(made.engine.docker("image", "inspect", "-f", format_, name).ok().stdout) / 1e6) for what, name in names.items()
    ]
