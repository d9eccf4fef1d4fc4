"""One line edited until the image is there, beside `docker build`: podman, and langgraph's own builder.

langgraph's Dockerfile starts from an image that holds its server, which only a public registry has. It is measured on a
stand-in that has what the Dockerfile uses (a shell, uv, pip and an empty ``/api``), so its installs do less than a user's.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines import DEPENDENCIES, MAIN, Yard, build
from benchmarks.lab import ROOT
from benchmarks.measure import Place, Sample
from benchmarks.rows import Row

sys.path.append(str(ROOT / "tests"))  # the podman that tests use

from real.podman import own_podman

LANGGRAPH = "langgraph-cli==0.4.40"
PODMAN = shutil.which("podman") or "podman"
PODMAN_BUILD = (PODMAN, "build", "-q", "--network", "host", "-t", "peer:1", ".")
DOCKER_BUILD = "peer: `docker build`, one line edited, until the image is there"
OURS_BUILD = "`agent build` with builder docker, one line edited, until the engine has the image"

STAND_IN = """\
FROM bare:1.0
USER 0:0
COPY busybox /bin/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY uv /usr/bin/
COPY ca.crt /ca.crt
COPY api /api
ENV SSL_CERT_FILE=/ca.crt UV_BREAK_SYSTEM_PACKAGES=1 PIP_BREAK_SYSTEM_PACKAGES=1
RUN touch /usr/bin/uvx && uv pip install --system --quiet pip setuptools wheel
"""
API = '[project]\nname = "langgraph-api"\nversion = "0.1"\n[tool.setuptools]\npackages = []\n'


@dataclass(frozen=True)
class EnginePeers:
    """Who builds the same agent in an engine: podman has one of its own."""

    yard: Yard
    podman: Place
    langgraph: Place
    langgraph_argv: tuple[str, ...]

    @property
    def version(self) -> str:
        """Of podman."""
        return self.podman.said(PODMAN, "--version").strip().replace(" version", "")

    def rows(self) -> Iterator[Row]:
        """Ours is held to what `docker build` takes."""
        docker, yard, agent = build(self.yard), self.yard, (self.yard.agent, "build")
        yield Row("peer: `podman build`, nothing changed", lambda: self.podman.timed(*PODMAN_BUILD))
        theirs, ours, third, fourth = (
            _edits(yard.peer, docker),
            _edits(yard.ours, agent),
            _edits(self.podman, PODMAN_BUILD),
            _edits(self.langgraph, self.langgraph_argv),
        )
        yield Row(DOCKER_BUILD, lambda: next(theirs))
        yield Row("peer: `podman build`, one line edited, until the image is there", lambda: next(third), DOCKER_BUILD)
        yield Row("peer: `langgraph build`, one line edited, until the image is there", lambda: next(fourth), DOCKER_BUILD)
        yield Row(OURS_BUILD, lambda: next(ours), DOCKER_BUILD, factor=1.0)


def _edits(place: Place, argv: tuple[str, ...]) -> Iterator[Sample]:
    while True:
        (place.folder / "main.py").write_text(MAIN.replace('"ok"', f'"{time.time_ns()}"'))
        time.sleep(0.05)  # no editor is faster
        yield place.timed(*argv)


@contextlib.contextmanager
def engine_peers(made: Yard, top: Path) -> Iterator[EnginePeers]:
    """Install them, give them their bases, and build everything once."""
    with own_podman() as podman:
        place, argv = _langgraph(made, top)
        yield EnginePeers(made, _podman(made, Place(top / "podman", {**made.peer.env, **podman.env})), place, argv)


def _podman(made: Yard, own: Place) -> Place:
    shutil.copytree(made.peer.folder, own.folder)
    base = own.folder.with_suffix(".tar")
    made.peer.said(made.docker, "save", "-o", str(base), "bare:1.0")
    own.said(PODMAN, "load", "-q", "-i", str(base))
    dockerfile = own.folder / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("FROM bare:1.0", "FROM docker.io/library/bare:1.0"))
    own.said(*PODMAN_BUILD)
    return own


def _langgraph(made: Yard, top: Path) -> tuple[Place, tuple[str, ...]]:
    env = dict(made.peer.env)
    stand_in, place = Place(top / "stand-in", env), Place(top / "langgraph", env)
    (stand_in.folder / "api").mkdir(parents=True)
    place.folder.mkdir()
    for name in ("uv", "ca.crt"):
        shutil.copy(made.peer.folder / name, stand_in.folder)
    shutil.copy(str(shutil.which("busybox")), stand_in.folder)
    files = {"Dockerfile": STAND_IN, "api/pyproject.toml": API, "api/constraints.txt": ""}
    for name, text in files.items():
        (stand_in.folder / name).write_text(text)
    stand_in.said(*build(made, name="stand-in:3.13"))
    about = {"dependencies": ["."], "graphs": {"agent": "./main.py:app"}, "python_version": "3.13"}
    (place.folder / "langgraph.json").write_text(json.dumps(about))
    (place.folder / "requirements.txt").write_text("\n".join(DEPENDENCIES) + "\n")
    (place.folder / "main.py").write_text(MAIN)
    place.said(sys.executable, "-m", "venv", str(top / "langgraph-venv"))
    binaries = top / "langgraph-venv/bin"
    place.said(str(binaries / "pip"), "install", "-q", LANGGRAPH)
    argv = (str(binaries / "langgraph"), "build", "--no-pull", "--base-image", "stand-in", "-t", "langgraph:1")
    place.said(*argv)
    return place, argv
