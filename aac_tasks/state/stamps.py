"""Stamps: "this key produced these outputs". The only truth about up to date.

A stamp is a JSON document behind the SHA-256 of its bytes. It is put aside before its step runs, and the new one is renamed
into place after; a bad checksum means that there is none.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aac_tasks.contracts.canonical import Json, JsonObject, canonical
from aac_tasks.contracts.codec import decode, outermost
from aac_tasks.contracts.result import Result
from aac_tasks.errors import StepError
from aac_tasks.state.root import read_file, write_atomically
from aac_tasks.state.watch import describe


@dataclass(frozen=True)
class Stamp:
    """What one run of a step left.

    ``action`` and ``upstream`` are kept to say later what changed; ``tree`` is the input tree's digest;
    ``finished`` in seconds since the epoch, ``seconds`` how long it took.
    """

    step: str
    key: str
    deep: str
    action: JsonObject
    result: Result
    tree: str = ""
    upstream: Mapping[str, Json] = field(default_factory=dict)
    finished: float = 0.0
    seconds: float = 0.0


def seal(value: object) -> bytes:
    """A JSON value, or what `encode` makes one of, behind its checksum."""
    body = canonical(value, outermost)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unseal(data: bytes) -> Json:
    """The value, or ValueError when the checksum does not fit."""
    head, _, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != head:
        raise ValueError("checksum does not fit")
    value: Json = json.loads(body)
    return value


def read_sealed(path: Path) -> Json:
    """What `seal` put into a file; OSError where it can't be read, ValueError where it is torn."""
    return unseal(read_file(path))


class StampFile:
    """The stamp of one step, in the step's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "stamp"
        self._before = folder / "before"
        self._tree = folder / "tree"
        self._anew = folder / "anew"
        self._failed = folder / "failed"

    def read(self) -> Stamp | None:
        """The stamp, None when there is none or it is torn."""
        return _read(self._path)

    def last(self) -> Stamp | None:
        """The stamp or, while a run is under way and after one that did not finish, what was there before.

        Never a reason to call the step up to date: the world may have changed since.
        """
        return self.read() or _read(self._before)

    def identity(self) -> str:
        """That of the file, "" when there is none."""
        try:
            return describe(self._path.stat())
        except OSError:
            return ""

    def write(self, stamp: Stamp, files: Mapping[str, str]) -> None:
        """Put it in place; ``files`` (path → content) is kept to name changed files later."""
        if files:
            write_atomically(self._tree, seal(dict(files)))
        else:  # most steps read no tree
            self._tree.unlink(missing_ok=True)
        write_atomically(self._path, seal(stamp))
        for path in (self._before, self._anew, self._failed):
            path.unlink(missing_ok=True)

    def files(self) -> Mapping[str, str]:
        """The input tree as it was when the stamp was written, empty when unknown."""
        try:
            value = read_sealed(self._tree)
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}

    def put_aside(self, begun: Stamp | None = None) -> None:
        """The step is no longer up to date; what it left stays known through `last`.

        ``begun`` is what to know of it when it has never finished: which action is about to have effects.
        """
        self._failed.unlink(missing_ok=True)
        if self.read() is not None:
            self._path.replace(self._before)
        else:
            self._path.unlink(missing_ok=True)
            if begun is not None and _read(self._before) is None:
                write_atomically(self._before, seal(begun))

    def fail(self, words: str) -> None:
        """Note how its last run ended, for `failed`."""
        with contextlib.suppress(OSError, StepError):  # what the run failed with matters more
            write_atomically(self._failed, words.encode("utf-8", "replace"))

    @property
    def failed(self) -> str:
        """How its last run ended, "" when that did not fail."""
        try:
            return read_file(self._failed).decode("utf-8", "replace")
        except OSError:
            return ""

    @property
    def anew(self) -> bool:
        """Whether the user said that the step is to be done, whatever others know of it."""
        return self._anew.exists()

    def forget(self) -> None:
        """Delete it, and have the step really done, once."""
        self.delete()
        self._anew.touch()

    def delete(self) -> None:
        """Forget it, and what was before it."""
        for path in (self._path, self._before, self._failed):
            path.unlink(missing_ok=True)


def _read(path: Path) -> Stamp | None:
    try:
        return _decoded(read_file(path))
    except (OSError, ValueError):
        return None


@functools.lru_cache(maxsize=64)
def _decoded(data: bytes) -> Stamp:
    """The same stamp is asked for several times in a row: to judge, to report, to hand on."""
    return decode(Stamp, unseal(data))


@contextlib.contextmanager
def exclusively(folder: Path, *, busy: str = "") -> Iterator[None]:
    """Hold a folder (a step's, or doit's state) against other processes (flock: the kernel frees it when its holder dies).

    Raises:
        StepError: another one holds it, and ``busy`` says what that means; without ``busy`` one waits.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError as error:
            raise StepError(busy) from error
        yield
    finally:
        os.close(descriptor)
