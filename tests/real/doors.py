"""`agent` and `doit` as a user starts them, in a forked child: nothing is imported twice, so hundreds of runs are affordable.

A run may be given a moment at which it ends: just before one of its writing operations on files (a kill between any two
of them leaves what one of these leaves), or in the middle of a write.
"""

from __future__ import annotations

import importlib
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aac_tasks.plugin_manager import load

OUTCOME = re.compile(r"^([✓–✗]) (\w+):[\w-]+  ", re.MULTILINE)
WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate", "os.utime")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
WARM = (
    "doit.doit_cmd", "deflate", "jsonschema.validators", "tomllib" if sys.version_info >= (3, 11) else "tomli", "urllib.request",
    "yaml", "aac_tasks.cli.commands.test", "aac_tasks.conclude", "aac_tasks.doit_bridge.tasks", "aac_tasks.hands",
    "aac_tasks.plan.compile", "aac_tasks.spec.reading", "aac_tasks.steps.execute", "aac_tasks.steps.test",
)  # fmt: skip
HALF = 20
"""Bytes that a write may still do which is cut off."""


@dataclass(frozen=True)
class Moment:
    """Before the writing operation of this number (from 1) something comes. ``below`` is where operations are counted."""

    operation: int
    what: Callable[[], object]
    below: str = ""


def signalled(number: int) -> Callable[[], object]:
    """The process gets a signal."""
    return lambda: os.kill(os.getpid(), number)


def cut_off() -> None:
    """The process is killed in the middle of the next write."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, HALF))


@dataclass(frozen=True)
class Place:
    """A project and its user's cache. ``plugins`` is a folder of installed packages."""

    folder: Path
    cache: Path
    plugins: Path

    @property
    def env(self) -> dict[str, str]:
        """All that its user's shell has."""
        user = {"HOME": str(self.cache), "XDG_CACHE_HOME": str(self.cache), "LANG": "C.UTF-8", "TERM": "dumb"}
        return {**user, "PATH": os.environ["PATH"], "DOCKER_HOST": "unix:///nowhere"}


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code (negative: the signal's number), and all that it said."""

    code: int
    said: str

    def of(self, signs: str) -> set[str]:
        """Kinds of the steps whose line has one of these signs."""
        return {kind for sign, kind in OUTCOME.findall(self.said) if sign in signs}

    def count(self, kind: str) -> int:
        """How often that step was done."""
        return OUTCOME.findall(self.said).count(("✓", kind))


@dataclass(frozen=True)
class Running:
    """A child at work."""

    pid: int
    pipe: int

    def end(self) -> Ended:
        """Wait for it."""
        with os.fdopen(self.pipe, encoding="utf-8", errors="replace") as pipe:
            said = pipe.read()
        return Ended(os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), said)


def installed(folder: Path, name: str, module: str) -> Path:
    """A folder of installed packages with one plugin in it, as pip leaves it."""
    info = folder / "site-packages" / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[aac_tasks]\n{name} = {module}\n")
    return info.parent


def start(place: Place, words: Sequence[str], moment: Moment | None = None, *, quiet: bool = False) -> Running:
    """Start `agent …` or `doit …`; nobody reads what a ``quiet`` one says."""
    _warm()
    reading, writing = (os.open(os.devnull, os.O_RDWR) for _ in range(2)) if quiet else os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(place, words, writing, moment)
    os.close(writing)
    return Running(pid, reading)


def run(place: Place, words: Sequence[str], moment: Moment | None = None) -> Ended:
    """Run it to its end."""
    return start(place, words, moment).end()


def _warm() -> None:
    """Import once what every child would; not what a dodo.py imports, which looks around at once."""
    if WARM[0] not in sys.modules:
        for name in WARM:
            importlib.import_module(name)
        load()


def _child(place: Place, words: Sequence[str], pipe: int, moment: Moment | None) -> None:
    """It never returns."""
    code = 70
    try:
        _settle(place, words, pipe)
        if moment is not None:
            sys.addaudithook(_ending(place, moment))
        code = _enter(words)
    except KeyboardInterrupt:  # before anybody heeded signals: Python ends by the signal itself
        code = 128 + signal.SIGINT
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(code)


def _settle(place: Place, words: Sequence[str], pipe: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, pipe), (2, pipe)):
        os.dup2(source, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # a run that is begun from within another one does not hold the other's locks
    sys.stdout = sys.stderr = os.fdopen(1, "w", encoding="utf-8", buffering=1, closefd=False)
    sys.dont_write_bytecode = True
    # A user has no pytest: its import hook parses what a dodo.py imports, and Python 3.11 is at times too deep in calls for that.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "_pytest.assertion.rewrite"]
    sys.path.insert(0, str(place.plugins))
    sys.modules.pop("dodo", None)
    sys.argv = list(words)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    env = place.env
    os.environ.clear()
    os.environ.update(env)
    os.chdir(place.folder)


def _enter(words: Sequence[str]) -> int:
    if words[0] == "doit":
        from doit.doit_cmd import DoitMain

        return int(DoitMain().run(list(words[1:])))
    from aac_tasks.fast import main

    return main()


def _ending(place: Place, moment: Moment) -> Callable[[str, tuple[Any, ...]], None]:
    """A hook that waits for the moment (https://docs.python.org/3/library/audit_events.html)."""
    tops = moment.below or (str(place.folder), str(place.cache))
    left = [moment.operation]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event in WRITES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING)
        if writes and not isinstance(arguments[0], int) and os.fsdecode(arguments[0]).startswith(tops):
            left[0] -= 1
            if left[0] == 0:
                moment.what()

    return hook
