"""A real Dask scheduler and workers, each a process with a user's folders of its own, as machines of a cluster are."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from real_registry import free_port

from aac_tasks.testing import clean_environment, need


@dataclass
class Worker:
    """One machine: its process, its home and its cache."""

    name: str
    top: Path
    process: subprocess.Popen[bytes]

    @property
    def cache(self) -> Path:
        return self.top / "cache/aac"

    @property
    def log(self) -> str:
        return (self.top / "log").read_text()

    def kill(self) -> None:
        """As a machine that loses its power: nothing of it is told to anybody."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Cluster:
    """``address`` is what --executor takes."""

    top: Path
    port: int
    env: Mapping[str, str]
    python: str
    scheduler: subprocess.Popen[bytes]
    workers: dict[str, Worker] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    def seconds(self) -> tuple[float, float]:
        """Processor time so far of the scheduler, and of all workers."""
        return _seconds(self.scheduler.pid), sum(_seconds(worker.process.pid) for worker in self.workers.values())

    def add(self, name: str, **env: str) -> Worker:
        """Start one more and wait until the scheduler knows it."""
        top = self.top / name
        for folder in ("home", "cache"):
            (top / folder).mkdir(parents=True, exist_ok=True)
        # without a nanny a worker is one process; a dead one stays dead
        argv = ("dask_worker", f"tcp://127.0.0.1:{self.port}", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name)
        environment = {**clean_environment(top / "home", top / "cache"), **self.env, **env}
        process = _start((self.python, *argv, "--local-directory", str(top / "dask")), top / "log", environment)
        worker = Worker(name, top, process)
        self.workers[name] = worker
        _wait(worker.process, top / "log", "Registered to")
        return worker


def _seconds(pid: int) -> float:
    """proc(5), fields 14 and 15 of stat."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def cluster(
    top: Path, names: tuple[str, ...], env: Mapping[str, str] | None = None, python: str = sys.executable
) -> Iterator[Cluster]:
    """A scheduler and a worker of each name; ``env`` is what workers have in their environment, ``python`` what runs them."""
    need(importlib.util.find_spec("distributed"), "distributed is not installed (the extra dask)")
    top.mkdir(parents=True, exist_ok=True)
    port = free_port()
    argv = (python, "dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    scheduler = _start(argv, top / "scheduler.log", clean_environment(top, top))
    made = Cluster(top, port, env or {}, python, scheduler)
    try:
        _wait(scheduler, top / "scheduler.log", "Scheduler at")
        for name in names:
            made.add(name)
        yield made
    finally:
        for worker in made.workers.values():
            worker.kill()
        os.killpg(scheduler.pid, signal.SIGKILL)
        scheduler.wait()


def _start(argv: tuple[str, ...], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = (argv[0], "-m", f"distributed.cli.{argv[1]}", *argv[2:])
    with log.open("ab") as file:
        return subprocess.Popen(command, env=dict(env), stdout=file, stderr=file, cwd=log.parent, start_new_session=True)


def _wait(process: subprocess.Popen[bytes], log: Path, until: str) -> None:
    end = time.monotonic() + 120
    while until not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
