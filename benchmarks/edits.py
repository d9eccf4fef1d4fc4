"""One line edited until a container is healthy again, runtime by runtime: `agent dev` beside `docker build` and `docker run`.

The agents are the examples, the peer's Dockerfiles those of ``usual``. Both serve out of the same engine.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines import developed, wait_for, wait_for_bytecode
from benchmarks.lab import ROOT, Lab
from benchmarks.measure import Place, Sample
from benchmarks.rows import Row
from benchmarks.usual import LANGUAGES, OWN, Language, authorities, copied, lay_out, slim, slim_python

sys.path.append(str(ROOT / "tests"))  # the engine that tests start

from real.dockerd import Engine, networked_engine, unpacked_engine
from real_registry import free_port

SAID = '"ok"'
"""What every example's ``/health`` answers; an edit changes it."""


@dataclass(frozen=True)
class Bench:
    """One language: an agent and a folder with a Dockerfile, of users of the same engine. ``port`` is the peer's."""

    runtime: str
    language: Language
    engine: Engine
    ours: Place
    peer: Place
    ca: Path
    agent: str
    port: int

    def rows(self) -> Iterator[Row]:
        """The peer's, and ours beside it."""
        peer = f"peer: `docker build` and `docker run`, {self.runtime}"
        theirs, mine = self._peers(), self._ours()
        yield Row(peer, lambda: next(theirs))
        yield Row(f"`agent dev` with runner docker, {self.runtime}", lambda: next(mine), peer, factor=0.5)

    def prepare(self) -> None:
        """What is not measured: everything installed and compiled once, and modules of Python compiled ahead."""
        print(f"preparing {self.runtime} …", file=sys.stderr)
        for _ in range(2):
            next(self._ours())
        next(self._peers())

    def _edit(self, place: Place) -> str:
        word = str(time.time_ns())
        path = place.folder / self.language.source
        text = (ROOT / "examples" / self.language.example / self.language.source).read_text()
        assert SAID in text
        path.write_text(text.replace(SAID, f'"{word}"'))
        return word

    def _peers(self) -> Iterator[Sample]:
        docker, name = str(self.engine.binaries / "bin/docker"), f"peer-{self.runtime}:1"
        flags = ("--provenance=false", "--network=host", "-q", "-t", name, f"--build-context=ca={self.ca}", ".")
        while True:
            word = self._edit(self.peer)
            time.sleep(0.05)  # no editor is faster
            started = time.perf_counter()
            self.peer.said(docker, "build", *flags)
            container = self.peer.said(docker, "run", "-d", "-p", f"127.0.0.1:{self.port}:8080", name).strip()
            wait_for(f"http://127.0.0.1:{self.port}", word)
            sample = Sample(1000 * (time.perf_counter() - started), 0.0)
            self.peer.said(docker, "rm", "-f", container)
            yield sample

    def _ours(self) -> Iterator[Sample]:
        while True:
            sample = developed(self.ours, (self.agent, "dev", "--runner", "docker"), lambda: self._edit(self.ours))
            wait_for_bytecode(self.engine)
            yield sample


@contextlib.contextmanager
def benches(top: Path, lab: Lab, runtimes: tuple[str, ...] = (*LANGUAGES, "custom")) -> Iterator[tuple[list[Bench], Engine]]:
    """Start an engine and build everything once; minutes, most of them downloads."""
    ca = authorities(top / "ca")
    (top / "engine").mkdir()
    lab.still.said(lab.python, "-m", "pip", "install", "-q", "watchfiles")
    with networked_engine(unpacked_engine(), top / "engine") as engine:
        slim(top / "slim.tar", engine)
        if "custom" in runtimes:
            slim_python(top / "slim-python", engine)
        rustup = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
        env = {**lab.still.env, **engine.env, "PATH": f"{lab.bin}:{engine.env['PATH']}", "RUSTUP_HOME": rustup}
        made = []
        for runtime in runtimes:
            language = LANGUAGES.get(runtime, OWN)
            ours, peer = (Place(top / f"{who}-{runtime}", env) for who in ("ours", "peer"))
            copied(language.example, ours.folder)
            (ours.folder / ".git").mkdir()
            lay_out(runtime, peer.folder)
            made.append(Bench(runtime, language, engine, ours, peer, ca, lab.command("agent"), free_port()))
            made[-1].prepare()
        yield made, engine
