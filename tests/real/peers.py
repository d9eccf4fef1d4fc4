"""Other tools that build "an image", each as its users set it up: a file of listed sources, a recipe, and nothing said of
why. What they build here is a text that begins with a base (what a tag in a registry stands for, which is no file to list)
and goes on with the sources, their modes and contents, as an image would hold them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from real.compiled_peers import GO_TASK, compiled

from aac_tasks.testing import need

RECIPE = """#!/bin/sh
# build.sh IMAGE: the sources into an image. While `wait` is there it stands still in the middle.
set -e
cd "$(dirname "$0")"
mkdir -p "$(dirname "$1")"
echo built >>log
cp ../registry/base "$1.list"
find src | LC_ALL=C sort | while read -r path; do
  [ -d "$path" ] || { stat -c '%n %A' "$path"; cat "$path"; }
done >>"$1.list"
head -c 5 "$1.list" >"$1"
while [ -e wait ]; do touch waits; sleep 0.05; done
cat "$1.list" >"$1"
"""
MAKE = "SOURCES := $(shell find src -type f)\n"
DODO = """
from pathlib import Path

DOIT_CONFIG = {"verbosity": 0}

def task_image():
    sources = [str(p) for p in Path("src").rglob("*") if p.is_file()]
    return {"actions": ["sh build.sh store/image"], "file_dep": sources, "targets": ["store/image"]}
"""
TASKFILE = """
version: "3"
tasks:
  default:
    sources: ["src/**/*"]
    cmds: [sh build.sh store/image]
"""


@dataclass(frozen=True)
class Peer:
    """A tool. ``argv`` builds; ``prepare`` writes what a generator of its files would."""

    name: str
    argv: tuple[str, ...]
    files: Mapping[str, str]
    prepare: Callable[[Path], object] = lambda folder: None

    def __str__(self) -> str:
        return self.name


def ninja_file(folder: Path) -> None:
    """A generator lists the sources anew before each run."""
    sources = sorted(str(p.relative_to(folder)) for p in (folder / "src").rglob("*") if p.is_file())
    text = f"rule image\n  command = sh build.sh store/image\nbuild store/image: image {' '.join(sources)}\n"
    if not (folder / "build.ninja").exists() or (folder / "build.ninja").read_text() != text:
        (folder / "build.ninja").write_text(text)


PEERS = (
    Peer("make", ("make",), {"Makefile": MAKE + "store/image: $(SOURCES)\n\tsh build.sh store/image\n"}),
    Peer("make with a stamp", ("make",), {"Makefile": MAKE + "stamp: $(SOURCES)\n\tsh build.sh store/image && touch stamp\n"}),
    Peer("ninja", ("ninja",), {}, ninja_file),
    Peer("doit", (sys.executable, "-m", "doit"), {"dodo.py": DODO}),
    Peer("go-task", ("task",), {"Taskfile.yml": TASKFILE}),
)


def program(peer: Peer, cache: Path) -> tuple[str, ...]:
    """How to start it."""
    if peer.name == "go-task":
        return (str(compiled(GO_TASK, cache) / "task"),)
    need(shutil.which(peer.argv[0]), f"{peer.argv[0]} is not installed")
    return peer.argv


@dataclass(frozen=True)
class Shop:
    """A project of a peer's user."""

    peer: Peer
    folder: Path
    argv: tuple[str, ...]

    @property
    def builds(self) -> int:
        """How often the recipe was run."""
        log = self.folder / "log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    @property
    def image(self) -> str:
        """What there is now, "" when there is none."""
        image = self.folder / "store/image"
        return image.read_text() if image.exists() else ""

    def open(self) -> None:
        """Write the project."""
        for name, text in {**self.peer.files, "build.sh": RECIPE, "src/prompts/hello.txt": "hello\n", "src/main": "1\n"}.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.folder.parent / "registry").mkdir(exist_ok=True)
        (self.folder.parent / "registry/base").write_text("base 1\n")
        for path in self.folder.rglob("*"):
            os.utime(path, (1_700_000_000, 1_700_000_000))  # sources are older than what is built of them

    def build(self) -> str:
        """What one run of the peer says, to its end."""
        self.peer.prepare(self.folder)
        done = self._start()
        said = done.communicate(timeout=60)[0]
        assert done.returncode == 0, said
        return said

    def build_and(self, do: Callable[[subprocess.Popen[str]], object]) -> None:
        """One run, in the middle of which something happens."""
        (self.folder / "wait").touch()
        self.peer.prepare(self.folder)
        running = self._start()
        end = time.monotonic() + 60
        while not (self.folder / "waits").exists() and time.monotonic() < end:
            time.sleep(0.02)
        do(running)
        (self.folder / "wait").unlink()
        running.communicate(timeout=60)
        (self.folder / "waits").unlink()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv,
            cwd=self.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )


def kill_all(running: subprocess.Popen[str]) -> None:
    """The machine loses its power, as far as this run can tell: ninja gives each command a process group of its own."""
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):  # it has just ended, or is no process
            session = int((path / "stat").read_text().rpartition(")")[2].split()[3])  # proc(5)
            if session == running.pid:
                os.kill(int(path.name), signal.SIGKILL)
