"""Kill a running command at a chosen moment, and say what is left of it on the machine."""

from __future__ import annotations

import fcntl
import math
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aac_plugins.oci.layout import Layout
from aac_tasks.state.blobs import hash_file
from aac_tasks.state.stamps import StampFile

STEPS = ("parse", "lock", "dockerfile", "image", "test", "push", "deploy")
OUTCOME = re.compile(r"^. (\w+):[\w-]+ ")
SECONDS = 60.0


@dataclass
class Command:
    """A started command, and when each of its lines came (seconds of time.monotonic)."""

    argv: Sequence[str]
    folder: Path
    env: Mapping[str, str]
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.child = subprocess.Popen(
            self.argv,
            cwd=self.folder,
            env={**self.env, "PYTHONFAULTHANDLER": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append((time.monotonic(), line.rstrip("\n")))

    def outcomes(self) -> dict[str, tuple[float, str]]:
        """Each step that has ended: when its line came, and the line's sign (a fresh one's is a dash)."""
        found = ((when, line, OUTCOME.match(line)) for when, line in list(self.lines))
        return {match[1]: (when, line[0]) for when, line, match in found if match}

    def end(self) -> int:
        """Its exit code, when all its lines are read. Whatever outlives it may have its pipe, so no waiting for that.

        One that does not end is aborted, which has it say where each of its threads is.
        """
        try:
            code = self.child.wait(SECONDS)
        except subprocess.TimeoutExpired:
            state = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()[2]
            self.child.send_signal(signal.SIGABRT)
            self.child.send_signal(signal.SIGCONT)
            self.child.wait(SECONDS)
            self._reader.join(2.0)
            raise AssertionError(f"it did not end within {SECONDS:g} s ({state}):\n{self.said}") from None
        self._reader.join(2.0)
        return code

    @property
    def said(self) -> str:
        """All lines."""
        return "\n".join(line for _, line in self.lines)


@dataclass(frozen=True)
class Aim:
    """A moment: ``share`` (0 … 1) of a step's time, or of the whole run's for ``step`` ""."""

    step: str
    share: float


@dataclass(frozen=True)
class Ground:
    """Where an agent lives, for looking at it from outside."""

    project: Path
    cache: Path
    agent: str

    def stamp(self, step: str) -> Path:
        """The file that says that a step is done."""
        return self.project / ".aac/agents" / self.agent / "steps" / step / "stamp"

    def step_under_way(self) -> str:
        """The one without a stamp: it is deleted when its step begins. "" between steps."""
        return next((step for step in STEPS if not self.stamp(step).exists()), "")

    def seconds(self) -> dict[str, float]:
        """How long each step's last run took."""
        stamps = {step: StampFile(self.stamp(step).parent).read() for step in STEPS}
        return {step: stamp.seconds for step, stamp in stamps.items() if stamp}

    def outputs(self, step: str) -> dict[str, object]:
        """What the step's last run said."""
        stamp = StampFile(self.stamp(step).parent).read()
        return dict(stamp.result.outputs) if stamp else {}

    def made(self) -> dict[str, object]:
        """All that must not depend on how often it took: lock, digests, tags, and the names of all files."""
        layout = Layout(self.project / "dist", "dist")
        return {
            "lock": (self.project / "agent.lock").read_text(),
            "image": self.outputs("image"),
            "tags": {name: layout.find(name) for name in layout.names()},
            "pushed": self.outputs("push")["digest"],
            "files": sorted(self._files(self.project)),
            "cached": set(self._files(self.cache)),
        }

    def _files(self, top: Path) -> Iterator[str]:
        """Without what has other names each time: instances, slots, earlier logs, uv's own cache, and lists of the code that
        a run had loaded when it kept a plan.
        """
        for path in top.rglob("*"):
            name = path.relative_to(top).as_posix()
            if not re.search(r"/process/[ab]/|/logs/|/plans/code-|^uv/|\.lock$", name) and not path.is_dir():
                yield name

    def torn(self) -> list[str]:
        """Blobs that are not what their names say."""
        blobs = [*self.cache.glob("blobs/sha256/*/*"), *(self.project / "dist/blobs/sha256").iterdir()]
        return [str(blob) for blob in blobs if hash_file(blob).hex != blob.name]

    def unfinished(self) -> list[str]:
        """Temporary files, whoever made them."""
        roots = (self.project, self.cache)
        found = (path for top in roots for path in top.rglob("*") if "instance/root/" not in str(path))
        marks = re.compile(r"\.new$|/\.tmp[^/]*$|/layer-[^/]*$|/tmp/[^/]+$|/\.[^/]*\.\d+$")
        return [str(path) for path in found if marks.search(f"/{path}")]

    def held(self) -> list[str]:
        """Locks that somebody holds."""
        steps = self.project.glob(".aac/agents/*/steps/*")
        places = (*steps, *self.project.glob("*/index.json.lock"), self.project / "dist/blobs")
        return [str(place) for place in (self.project / ".aac", *places) if not _free(place)]

    def mounted(self) -> list[str]:
        """Mounts below the folders that this process sees."""
        return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.project.parent) in line]

    def containers(self) -> list[str]:
        """Ids of containers that runc knows of, or that have a cgroup."""
        known = {path.name for path in self.project.glob(".aac/**/runtime/*")}
        below = (name for _, names, _ in os.walk("/sys/fs/cgroup") for name in names)  # others' come and go meanwhile
        return sorted(known.union(name for name in below if name.startswith(f"aac-{self.agent}-")))

    def processes(self) -> dict[int, str]:
        """Living processes that have to do with the folders: by command line, environment, place, or root (in mountinfo)."""
        living = (process for process in Path("/proc").iterdir() if process.name.isdigit() and int(process.name) != os.getpid())
        return {int(process.name): line for process in living if (line := self._line(process))}

    def _line(self, process: Path) -> str:
        """Its command line, "" when it has nothing to do with the folders or is gone."""
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            return line if self._concerns(process) else ""
        except OSError:
            return ""

    def _concerns(self, process: Path) -> bool:
        top = str(self.project.parent)
        if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        texts = [(process / name).read_bytes().decode(errors="replace") for name in ("cmdline", "environ", "mountinfo")]
        links = [str((process / name).readlink()) for name in ("cwd", "exe", "root")]
        return any(top in text for text in (*texts, *links))


@dataclass(frozen=True)
class Pace:
    """How long an undisturbed run takes, in seconds: each step, and all from start to end."""

    steps: Mapping[str, float] = field(default_factory=dict)
    whole: float = math.inf

    def least(self, other: Pace) -> Pace:
        """Of two runs: what did not come from a busy machine."""
        steps = {step: min(seconds, self.steps.get(step, math.inf)) for step, seconds in other.steps.items()}
        return Pace(steps, min(self.whole, other.whole))

    def wait(self, aim: Aim, command: Command, ground: Ground) -> bool:
        """Until the moment; whether the command still runs then."""
        end = time.monotonic() + SECONDS
        while aim.step and ground.stamp(aim.step).exists() and command.child.poll() is None and time.monotonic() < end:
            time.sleep(0.0005)
        time.sleep(aim.share * (self.steps[aim.step] if aim.step else self.whole))
        return command.child.poll() is None


def _free(place: Path) -> bool:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def shoot(command: Command, ground: Ground, number: int, *, group: bool = False) -> str:
    """Signal it, after a halt in which is seen what it was doing: the step, "" when in none."""
    os.kill(command.child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, command.child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    step = ground.step_under_way()
    (os.killpg if group else os.kill)(command.child.pid, number)
    os.kill(command.child.pid, signal.SIGCONT)
    return step
