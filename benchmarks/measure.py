"""One process, measured; and what a series of them says."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_DROPPED = ("CI", "PYTHON", "AAC_", "DOIT", "GIT_DIR", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Sample:
    """One run: wall-clock and processor time in milliseconds (children that were waited for included)."""

    wall: float
    cpu: float


@dataclass
class Series:
    """All runs of one kind of work."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(s.wall for s in self.samples)

    @property
    def fastest(self) -> float:
        """Milliseconds."""
        return min(s.wall for s in self.samples)

    @property
    def cpu(self) -> float:
        """Median of processor time in milliseconds: what another user of the machine disturbs least."""
        return statistics.median(s.cpu for s in self.samples)


@dataclass(frozen=True)
class Place:
    """A folder to run in, and the environment of a user who has just arrived."""

    folder: Path
    env: Mapping[str, str]

    def timed(self, *argv: str) -> Sample:
        """Run a command that must succeed, its output thrown away."""
        null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        here = Path.cwd()
        os.chdir(self.folder)
        try:
            started = time.perf_counter()
            pid = os.posix_spawn(argv[0], list(argv), dict(self.env), file_actions=null)
            _, status, used = os.wait4(pid, 0)
            wall = time.perf_counter() - started
        finally:
            os.chdir(here)
        if status != 0:
            self.said(*argv)  # again, to show why
            raise SystemExit(f"{' '.join(argv)} failed when it was measured (status {status})")
        return Sample(1000 * wall, 1000 * (used.ru_utime + used.ru_stime))

    def timed_until(self, words: str, *argv: str) -> Sample:
        """Run a command that must succeed: wall-clock time until it says ``words`` on stderr, processor time of the whole."""
        started, seen = time.perf_counter(), 0.0
        null = subprocess.DEVNULL
        with subprocess.Popen(
            argv, cwd=self.folder, env=dict(self.env), stdin=null, stdout=null, stderr=subprocess.PIPE, text=True
        ) as run:
            for line in run.stderr or ():
                if words in line and not seen:
                    seen = time.perf_counter()
            _, run.returncode, used = os.wait4(run.pid, 0)
        if run.returncode != 0 or not seen:
            raise SystemExit(f"{' '.join(argv)} failed, or did not say {words!r}")
        return Sample(1000 * (seen - started), 1000 * (used.ru_utime + used.ru_stime))

    def said(self, *argv: str) -> str:
        """Run a command that must succeed; its standard output."""
        done = subprocess.run(
            argv, cwd=self.folder, env=dict(self.env), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            sys.stderr.write(done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace"))
            raise SystemExit(f"{' '.join(argv)}: exit code {done.returncode}")
        return done.stdout.decode("utf-8", "replace")


def clean_environment(home: Path, cache: Path, path: Sequence[Path]) -> dict[str, str]:
    """Own HOME and caches; certificates and proxies of the caller, none of their Python settings. No isolation is asked
    of the runner: what is measured starts no image, and preparing it must work wherever this runs.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_DROPPED)}
    return {
        **kept,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(cache),
        "AAC_ALLOW_HOST": "1",
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([*map(str, path), os.environ.get("PATH", os.defpath)]),
    }
