"""What steps lend to plugins: the only way a plugin reaches processes, sockets, blobs and secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from aac_tasks.contracts.image import Descriptor, Digest


@dataclass(frozen=True)
class Process:
    """A process, described: argument list (never a shell), working folder, the *whole* environment, limits.

    ``env`` None means a minimal environment (PATH, HOME, locale, proxy and CA variables).
    ``timeout`` in seconds. ``quiet`` keeps its output off the screen (it is still in the error when it fails).
    ``secrets`` are values that must never be shown. ``watch`` gets each line as it comes, redacted, in place of the screen.
    ``inherits`` is what of the user's own streams it has: ``stdin``, or ``all`` three; only for `Tools.spawn`.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    stdin: bytes | None = None
    timeout: float = 600.0
    quiet: bool = True
    secrets: tuple[str, ...] = ()
    watch: Callable[[str], None] | None = None
    inherits: str = ""


@dataclass(frozen=True)
class Completed:
    """How a process ended; ``stdout`` and ``stderr`` decoded as UTF-8 with replacement."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def tail(self) -> str:
        """The last 20 lines it said."""
        return "\n".join((self.stderr or self.stdout).strip().splitlines()[-20:])


@dataclass(frozen=True)
class Spawned:
    """A background process: enough to find it again and never to mistake another for it.

    ``start_time`` is field 22 of /proc/PID/stat (clock ticks since boot), ``boot_id`` that of
    /proc/sys/kernel/random/boot_id; both empty where there is no /proc.
    """

    pid: int
    start_time: str
    boot_id: str


@dataclass(frozen=True)
class HttpRequest:
    """``body`` may be bytes, or an open binary file that is streamed. Redirects are followed at most
    ``redirects`` times; Authorization never leaves the host it was given for. ``unix`` is a socket path.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | IO[bytes] | None = None
    timeout: float = 60.0
    redirects: int = 5
    retries: int = 3
    unix: str = ""


class HttpResponse(Protocol):
    """A response whose body is read once, as a stream or whole."""

    status: int
    url: str

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    def read(self, limit: int = 64 * 1024 * 1024) -> bytes:
        """The whole body; StepError when it is longer than ``limit`` bytes."""
        ...

    def stream(self, chunk: int = 1 << 20) -> Iterator[bytes]:
        """The body in pieces; a connection that breaks is a StepError."""
        ...


class BlobStore(Protocol):
    """Content-addressed files, shared by all projects of a user. A blob is there whole or not at all."""

    def has(self, blob: Digest | Descriptor) -> bool:
        """One stat; of a descriptor the size must fit too: a blob that a full or failing disk cut off counts as none."""
        ...

    def path(self, digest: Digest) -> Path:
        """Where the blob is (or would be). Never write to it."""
        ...

    def bring(self, blob: Digest | Descriptor) -> Path:
        """Where the blob is, fetched first when only the shared cache has it; StepError when nobody has. Never write to it."""
        ...

    def open(self, digest: Digest) -> IO[bytes]:
        """For reading, brought as above; StepError when it is not there."""
        ...

    def put(self, data: bytes | Iterable[bytes], *, media_type: str, expect: Digest | None = None) -> Descriptor:
        """Store bytes and return their descriptor; StepError (nothing stored) when they do not hash to ``expect``."""
        ...

    def adopt(self, path: Path, *, media_type: str, digest: Digest | None = None) -> Descriptor:
        """Move a finished file on the same disk in; hashed unless ``digest`` is given by who has just written it."""
        ...

    def memo(self, name: str) -> str | None:
        """What ``remember`` kept under ``name`` (a key that the caller made with ``fingerprint``), or None."""
        ...

    def remember(self, name: str, text: str) -> None:
        """Keep a small text under a key: what was made from what, so that it is not made again."""
        ...


class Tools(Protocol):
    """Lent for the duration of one step. Everything here honours the step's deadline and cancellation."""

    @property
    def blobs(self) -> BlobStore:
        """The user's blob store."""
        ...

    @property
    def offline(self) -> bool:
        """True when no network may be used; ``http`` then refuses anything but loopback and unix sockets."""
        ...

    @property
    def root(self) -> Path:
        """The state root (the workspace's top folder), absolute."""
        ...

    @property
    def state(self) -> Path:
        """The agent's own folder below .aac (logs, instances, Dockerfile), absolute; exists."""
        ...

    @property
    def cache(self) -> Path:
        """A folder shared by all projects of the user, for tools' own caches; exists."""
        ...

    def run(self, process: Process) -> Completed:
        """Run to the end; a non-zero exit is returned, a missing program or a timeout is a StepError."""
        ...

    def spawn(self, process: Process, *, log: Path, errors: Path | None = None, session: bool = True) -> Spawned:
        """Start in the background, stdout and stderr appended to ``log``, or stderr to ``errors``; ``session``: survives the
        terminal.
        """
        ...

    def foreground(self, process: Process) -> int:
        """Run with the user's own stdin, stdout, stderr and terminal; its exit code, 128 + N when signal N ended it."""
        ...

    def exit_code(self, spawned: Spawned) -> int | None:
        """How a background process of this run ended, as `foreground` says it; None while it runs, or when it is not ours."""
        ...

    def alive(self, spawned: Spawned) -> bool:
        """True while that very process runs (pid, start time and boot id agree)."""
        ...

    def kill(self, spawned: Spawned, *, grace: float = 10.0) -> None:
        """SIGTERM to its session, SIGKILL after ``grace`` seconds; never touches a reused pid."""
        ...

    def which(self, program: str) -> Path | None:
        """Where ``program`` is on the PATH lent to steps."""
        ...

    def http(self, request: HttpRequest) -> AbstractContextManager[HttpResponse]:
        """Ask; the answer must be used inside ``with``. No answer in time is a StepError, any status is an answer."""
        ...

    def connects(self, host: str, port: int, timeout: float = 1.0, stays: float = 0.0) -> bool:
        """True when a TCP connection to a *local* port is accepted, and the other side does not hang up wordless for ``stays``
        seconds.
        """
        ...

    def free_port(self) -> int:
        """A TCP port of the loopback interface that was free a moment ago."""
        ...

    def hold_port(self, port: int) -> bool:
        """Keep a port from everybody else of ours on this network until it is let go of; False when it is kept already."""
        ...

    def let_go_of_port(self, port: int) -> None:
        """Give a held port back; nothing happens when it is not ours."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """An empty folder on the blob store's disk, gone at the end whatever happens."""
        ...

    def secret(self, reference: str) -> str:
        """The value of a secret reference; StepError saying where it was looked for."""
        ...

    def environment(self, name: str) -> str | None:
        """One variable of the user's environment."""
        ...

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """Say how far it is (bytes or items), at any rate; the reporter thins it out."""
        ...

    def note(self, text: str) -> None:
        """One line for people that stays on the screen."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait, ending early with StepError when the run is cancelled or the deadline is over."""
        ...

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        ...

    def wait_until(self, condition: Callable[[], bool], *, timeout: float, every: float = 0.05) -> bool:
        """Poll until true (True) or until ``timeout`` seconds passed (False)."""
        ...
