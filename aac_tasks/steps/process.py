"""Start, watch and end processes. The only place that imports subprocess.

Every child leads a session of its own, so that ending it ends whatever it started, and a Ctrl-C on the
terminal reaches only us. Nothing goes through a shell.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from aac_tasks.contracts.tools import Completed, Process, Spawned
from aac_tasks.errors import StepError
from aac_tasks.steps import identity
from aac_tasks.steps.inherited import minimal
from aac_tasks.steps.passing_on import passed_on
from aac_tasks.steps.pipes import Capture
from aac_tasks.steps.redaction import redact
from aac_tasks.steps.sessions import die_with_parent, signal_session, wait_for_end

TICK = 0.1
"""Seconds between looks at cancellation while a child is silent."""

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for a child whose run was cancelled or is out of time."""

CLEANUP = 20.0
"""Seconds for a process that is run after the run was cancelled."""


class Processes:
    """All children of one run. Safe to use from several threads.

    ``environment`` is the user's; ``tell`` gets each line of a process that is not quiet, redacted;
    once ``cancelled`` is set, whatever runs is ended and raises StepError. What is run after that is somebody cleaning
    up, and gets `CLEANUP` seconds.
    """

    def __init__(self, *, environment: Mapping[str, str], tell: Callable[[str], None], cancelled: threading.Event) -> None:
        self._environment = environment
        self._tell = tell
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._detached: dict[int, subprocess.Popen[bytes]] = {}
        self._terminated: set[int] = set()

    def run(self, process: Process) -> Completed:
        """Run to the end; any exit code is an answer.

        Raises:
            StepError: the program is missing or can't be started, the time is over, or the run was cancelled.
        """
        source = subprocess.DEVNULL if process.stdin is None else subprocess.PIPE
        pipe = subprocess.PIPE
        child = self._popen(process, (source, pipe, pipe), dies_with_us=True)
        self._enter(child, self._running)
        try:
            return self._attend(process, child)
        finally:
            self._leave(child)

    def _leave(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.pop(child.pid, None)
        for pipe in filter(None, (child.stdin, child.stdout, child.stderr)):
            with contextlib.suppress(OSError):
                pipe.close()

    def _attend(self, process: Process, child: subprocess.Popen[bytes]) -> Completed:
        def tell_line(line: str) -> None:
            (process.watch or self._tell)(redact(line, process.secrets))

        assert child.stdout is not None and child.stderr is not None  # noqa: S101  # asked for by run()
        capture = Capture(
            (child.stdin, child.stdout, child.stderr),
            process.stdin or b"",
            lambda: child.poll() is not None,
            None if process.quiet and process.watch is None else tell_line,
        )
        try:
            reason = self._pump(capture, process.timeout)
        except BaseException:  # KeyboardInterrupt too: no child may stay behind
            self._end(child, grace=GRACE)
            raise
        if reason:
            self._end(child, grace=GRACE)
        else:
            child.wait()
        stdout, stderr = (redact(text, process.secrets) for text in capture.finish())
        done = Completed(child.returncode, stdout, stderr)
        if reason:
            raise StepError(f"{process.argv[0]} {reason}", tail=done.tail)
        return done

    def _pump(self, capture: Capture, timeout: float) -> str:
        """Move data until it is over; why it must be ended, if it must."""
        cleaning_up = self._cancelled.is_set()
        seconds = min(timeout, CLEANUP) if cleaning_up else timeout
        end = time.monotonic() + seconds
        while capture.pump(TICK):
            if self._cancelled.is_set() and not cleaning_up:
                return "was interrupted"
            if time.monotonic() > end:
                return f"did not end within {seconds:g} seconds"
        return ""

    def spawn(self, process: Process, *, log: Path, errors: Path | None = None, session: bool = True) -> Spawned:
        """Start in the background; stdout and stderr are appended to ``log``, or stderr to ``errors``, created for the user only.

        ``session`` False: it also ends when the thread that started it ends, even by SIGKILL (Linux), and
        with `kill_children`. ``timeout`` and ``stdin`` of ``process`` have no meaning here.
        """
        if self._cancelled.is_set():
            raise StepError("interrupted")
        source = None if process.inherits else subprocess.DEVNULL
        with _appended(log) as out, _appended(errors or log) as err:
            outputs = (None, None) if process.inherits == "all" else (out, err)
            child = self._popen(process, (source, *outputs), dies_with_us=not session)
        self._enter(child, self._detached if session else self._running)
        return Spawned(child.pid, self._start_time(child.pid), identity.boot_id())

    def foreground(self, process: Process) -> int:
        """Run to the end with our own streams, in our own session, so that the terminal's keys reach it and not us."""
        child = self._popen(process, (None, None, None), dies_with_us=True, session=False)
        self._enter(child, self._running)
        with passed_on(child.send_signal):
            child.wait()
        self._leave(child)
        return _told(child.returncode)

    def exit_code(self, spawned: Spawned) -> int | None:
        """How a child of ours ended; None while it runs, and for one that is not ours."""
        child = self._child(spawned.pid)
        code = child.poll() if child else None
        return None if code is None else _told(code)

    def alive(self, spawned: Spawned) -> bool:
        """True while that very process runs; a child of ours that ended is reaped."""
        if not self._is_that(spawned):
            return False
        child = self._child(spawned.pid)
        return child.poll() is None if child else not self._is_dead(spawned.pid)

    def kill(self, spawned: Spawned, *, grace: float = 10.0) -> None:
        """SIGTERM to its session, SIGKILL to what is left after ``grace`` s; a reused pid is left alone."""
        if not self._is_that(spawned):
            return
        child = self._child(spawned.pid)
        self._end_session(spawned.pid, lambda: self._gone(spawned, child), grace)
        with self._lock:
            self._detached.pop(spawned.pid, None)
            self._running.pop(spawned.pid, None)

    def kill_children(self, *, grace: float = GRACE) -> None:
        """End everything that was not started to outlive us. For SIGINT, SIGTERM and the end of a run."""
        with self._lock:
            children = list(self._running.values())
        for child in children:
            self._terminate(child.pid)
        for child in children:
            self._end(child, grace=grace)

    def which(self, program: str) -> Path | None:
        """Where ``program`` is on the user's PATH."""
        found = shutil.which(program, path=self._environment.get("PATH", os.defpath))
        return Path(found) if found else None

    def minimal_environment(self) -> dict[str, str]:
        """What a process gets that asks for nothing."""
        return minimal(self._environment)

    def _enter(self, child: subprocess.Popen[bytes], table: dict[int, subprocess.Popen[bytes]]) -> None:
        with self._lock:
            table[child.pid] = child
            self._terminated.discard(child.pid)

    def _child(self, pid: int) -> subprocess.Popen[bytes] | None:
        with self._lock:
            return self._detached.get(pid) or self._running.get(pid)

    def _popen(
        self, process: Process, streams: tuple[int | None, int | None, int | None], *, dies_with_us: bool, session: bool = True
    ) -> subprocess.Popen[bytes]:
        stdin, stdout, stderr = streams
        env = self.minimal_environment() if process.env is None else dict(process.env)
        try:
            return subprocess.Popen(
                process.argv,
                cwd=process.cwd,
                env=env,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=session,
                preexec_fn=die_with_parent() if dies_with_us else None,
            )
        except FileNotFoundError as error:
            if process.cwd is not None and not process.cwd.is_dir():
                raise StepError(f"can't run {process.argv[0]}: folder {process.cwd} is not there") from error
            raise StepError(f"{process.argv[0]} is not installed", hint="install it, or put its folder on PATH") from error
        except (OSError, ValueError) as error:
            raise StepError(f"can't start {process.argv[0]}: {error}") from error

    def _end(self, child: subprocess.Popen[bytes], *, grace: float) -> None:
        self._end_session(child.pid, lambda: child.poll() is not None, grace)

    def _end_session(self, session: int, leader_gone: Callable[[], bool], grace: float) -> None:
        """TERM, wait, KILL. The number isn't reused meanwhile: we hold the zombie, or there are members."""
        self._terminate(session)
        if wait_for_end(session, leader_gone, grace):
            return
        signal_session(session, signal.SIGKILL)
        wait_for_end(session, leader_gone, GRACE)

    def _terminate(self, session: int) -> None:
        """SIGTERM, once: to many servers a second one means "drop everything"."""
        with self._lock:
            first = session not in self._terminated
            self._terminated.add(session)
        if first:
            signal_session(session, signal.SIGTERM)

    def _gone(self, spawned: Spawned, child: subprocess.Popen[bytes] | None) -> bool:
        if child is not None:
            return child.poll() is not None
        return not self._is_that(spawned) or self._is_dead(spawned.pid)

    def _is_that(self, spawned: Spawned) -> bool:
        """Whether the pid still means the process that was started, running or not yet reaped."""
        return (
            spawned.start_time != ""
            and spawned.boot_id == identity.boot_id()
            and self._start_time(spawned.pid) == spawned.start_time
        )

    def _is_dead(self, pid: int) -> bool:
        if identity.has_proc():
            row = identity.stat_of(pid)
            return row is None or row.dead
        return self._ps("stat=", pid)[:1] in ("", "Z")

    def _start_time(self, pid: int) -> str:
        if identity.has_proc():
            row = identity.stat_of(pid)
            return row.start_time if row else ""
        return self._ps("lstart=", pid)

    def _ps(self, column: str, pid: int) -> str:
        """One column of ps(1), for systems without /proc (macOS)."""
        done = subprocess.run(
            ("ps", "-o", column, "-p", str(pid)),
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/bin:/usr/bin"},
        )
        return done.stdout.strip()


@contextlib.contextmanager
def _appended(log: Path) -> Iterator[int]:
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _told(code: int) -> int:
    """As a shell says it: 128 + N when signal N ended it."""
    return code if code >= 0 else 128 - code
