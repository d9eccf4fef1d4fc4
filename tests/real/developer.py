"""Somebody who works on an agent: `agent dev` in a terminal or without one, edits, and what answers meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aac_tasks.testing import Project, command

PATIENCE = 90.0
"""Seconds that something may take on a machine that has other things to do."""


def until(holds: Callable[[], object], what: Callable[[], str] = str, seconds: float = PATIENCE) -> None:
    """Wait for something; an AssertionError that says how far it came."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come to that within {seconds:g} s: {what()}"
        time.sleep(0.02)


@dataclass
class Developer:
    """``said`` is everything that `agent dev` wrote so far."""

    project: Project
    name: str
    url: str
    pid: int = 0
    terminal: int = -1
    heard: bytearray = field(default_factory=bytearray)

    @property
    def said(self) -> str:
        return self.heard.decode(errors="replace").replace("\r\n", "\n")

    def says(self, words: str, times: int = 1) -> None:
        """Wait until it said so."""
        until(lambda: self.said.count(words) >= times, lambda: f"{words!r} {times} times in {self.said}")

    def answers(self, text: str) -> None:
        """Wait until its address answers so."""
        until(lambda: self.asked() == text, lambda: f"{self.asked()!r}, not {text!r}: {self.said}")

    def asked(self) -> str:
        """What its address answers now; the error when it does not."""
        connection = http.client.HTTPConnection(self.url.split("/")[2], timeout=15)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()

    def edit(self, name: str, text: str) -> str:
        """Save a file as an editor does: a new one in its place. What was in it."""
        path = self.project.folder / name
        before = path.read_text()
        new = path.with_name(f".{path.name}.swp")
        new.write_text(text)
        new.replace(path)
        return before

    def signal(self, number: int) -> None:
        """As `kill` sends it."""
        os.kill(self.pid, number)

    def type(self, keys: str) -> None:
        """At its terminal."""
        os.write(self.terminal, keys.encode())

    def ends(self) -> int:
        """Wait for its end; the exit code."""
        status: list[int] = []

        def ended() -> bool:
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            status.extend([code] if pid else [])
            return bool(pid)

        until(ended, lambda: self.said)
        self.pid = 0
        return os.waitstatus_to_exitcode(status[0])

    def left(self, *, pids: bool = False) -> list[str]:
        """Processes of the agent that there are, by command line; ``pids`` in front of them."""
        mark = f"AGENT_NAME={self.name}\0".encode()
        found = []
        for path in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if path.name.isdigit() and mark in (path / "environ").read_bytes():
                    words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"{path.name} {words}" if pids else words)
        return found

    def listen(self, source: int) -> None:
        """Hear what it writes, in a thread, until it ends."""

        def hear() -> None:
            with contextlib.suppress(OSError):
                while piece := os.read(source, 65536):
                    self.heard.extend(piece)
            os.close(source)

        threading.Thread(target=hear, daemon=True).start()


@contextlib.contextmanager
def developing(project: Project, name: str, url: str, *words: str, terminal: bool = False) -> Iterator[Developer]:
    """`agent dev` with its agent serving; ended whatever happens."""
    here = Developer(project, name, url)
    argv = [*command("agent"), "dev", *words]
    if terminal:
        here.pid, here.terminal = pty.fork()
        if here.pid == 0:
            os.chdir(project.folder)
            os.execvpe(argv[0], argv, {**project.env, "TERM": "xterm", "COLUMNS": "200"})  # noqa: S606  # no shell
        here.listen(here.terminal)
    else:
        reads, writes = os.pipe()
        child = subprocess.Popen(argv, cwd=project.folder, env=dict(project.env), stdout=writes, stderr=writes, process_group=0)
        os.close(writes)
        here.pid = child.pid
        child.returncode = 0  # its end is waited for below
        here.listen(reads)
    try:
        yield here
    finally:
        if here.pid:
            os.kill(here.pid, signal.SIGTERM)
            with contextlib.suppress(AssertionError, ChildProcessError):
                here.ends()
        project.agent("stop", "--all")
