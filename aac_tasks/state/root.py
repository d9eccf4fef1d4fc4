"""Where state lives: one folder ``.aac`` per state root, wherever it is called from."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aac_tasks.errors import StepError, UsageError
from aac_tasks.state.temporaries import NAME as TMP
from aac_tasks.state.temporaries import made, unused

FOLDER = ".aac"
PIECE = 1 << 16
"""Bytes; a file gives fewer at a time only at its end."""
VERSION = 1


def find_root(start: Path) -> Path:
    """The nearest parent with ``[tool.aac]`` in its pyproject.toml or with ``.git``, else ``start`` itself."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists() or has_settings(folder / "pyproject.toml"):
            return folder
    return start


def has_settings(pyproject: Path) -> bool:
    """Whether a pyproject.toml speaks of us; read as bytes, because most runs must not import a TOML parser."""
    try:
        return b"[tool.aac" in read_file(pyproject)
    except OSError:
        return False


def user_cache(environment: Mapping[str, str]) -> Path:
    """``$AAC_CACHE_DIR``, else ``$XDG_CACHE_HOME/aac``, else ``~/.cache/aac`` (XDG Base Directory Specification 0.8)."""
    if environment.get("AAC_CACHE_DIR"):
        return Path(environment["AAC_CACHE_DIR"])
    home = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME") or Path.home()) / ".cache")
    return Path(home) / "aac"


@dataclass(frozen=True)
class StateFolder:
    """The ``.aac`` folder of a state root."""

    root: Path

    @cached_property
    def path(self) -> Path:
        """The folder itself."""
        return self.root / FOLDER

    @property
    def tmp(self) -> Path:
        """What is still being written."""
        return self.path / TMP

    def agent(self, name: str) -> Path:
        """One agent's folder; made when asked for."""
        return made(self.path.joinpath("agents", name))

    def step(self, agent: str, kind: str) -> Path:
        """One step's folder: its stamp, and the lock is held on the folder itself."""
        return made(self.path.joinpath("agents", agent, "steps", kind))

    def open(self) -> None:
        """Make it, or check that it is ours to read.

        Raises:
            UsageError: it was written by a newer version.
            StepError: it can't be written.
        """
        try:
            version = read_file(self.path / "version").decode("utf-8", "replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            version = self._create()
        except OSError as error:
            raise StepError(
                f"{self.path} can't be read: {error.strerror}", hint="make it readable, or remove it"
            ) from error
        if version.isdigit() and int(version) > VERSION:
            raise UsageError(
                f"{self.path} was written by a newer version (state format {version}, this one knows {VERSION}); "
                "upgrade aac-tasks, or remove the folder: everything in it can be made again"
            )
        if not version.isdigit():  # torn: nothing in it can be trusted to be ours, but stamps carry their own checksums
            self._create()

    def _create(self) -> str:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n")
            (self.path / "version").write_text(f"{VERSION}\n")
        except OSError as error:
            other = "something else stands there: remove it or move it away" if self.path.exists() else _LEAVE
            raise StepError(
                f"state folder {self.path} can't be written: {error.strerror or error}",
                hint=other if error.errno == errno.EEXIST else _MACHINE.get(error.errno or 0, _LEAVE),
            ) from error
        return str(VERSION)


_SPACE = "free some space (`agent cache prune` removes downloads and images that nothing needs)"
_LEAVE = "make the folder writable for this user, or work in another one"
_MACHINE = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: _LEAVE,
    errno.EACCES: _LEAVE,
    errno.EPERM: _LEAVE,
}


def of_the_machine(error: OSError) -> StepError | None:
    """A full disk, a folder without leave to write and the like, told as what they are; None for anything else."""
    if error.errno not in _MACHINE:
        return None
    what = f"{error.filename} can't be written" if error.filename else "a file can't be written"
    return StepError(f"{what}: {error.strerror}", hint=_MACHINE[error.errno])


def write_atomically(path: Path, data: bytes, tmp: Path | None = None) -> None:
    """Write under a temporary name and rename: whole or not at all (no fsync: readers verify).

    The temporary name is in ``tmp``, by default that of the state folder which ``path`` lies in: who is killed meanwhile
    leaves nothing in a folder that is listed or that an image is made of.
    """
    folder = str(tmp or _tmp_of(path))
    try:
        try:
            _replace(f"{folder}/{unused()}", path, data)
        except OSError as error:
            if error.errno != errno.EXDEV:  # an agent's folder may be on a disk of its own
                raise
            _replace(f"{path.parent}/.{path.name}.{os.getpid()}", path, data)
    except OSError as error:
        hint = _MACHINE.get(error.errno or 0, _LEAVE)
        raise StepError(f"{path} can't be written: {error.strerror or error}", hint=hint) from error


def _replace(temporary: str, path: Path, data: bytes) -> None:
    """Every step writes and reads several small files, often beside other threads, and each call of the system is a chance to
    lose one's turn: these are as few as can be, half of what an open file of Python's takes.
    """
    descriptor = _new(temporary)
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)
        os.replace(temporary, path)  # noqa: PTH105
    except OSError:
        with contextlib.suppress(OSError):  # as the write, on a disk that is read-only
            os.unlink(temporary)  # noqa: PTH108
        raise


def _new(path: str) -> int:
    """A descriptor of a new file; the folder is made where it is missing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        made(Path(path).parent)
        return os.open(path, flags, 0o666)


def read_file(path: Path) -> bytes:
    """A file's content; OSError where it can't be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = [os.read(descriptor, PIECE)]
        while len(pieces[-1]) == PIECE:
            pieces.append(os.read(descriptor, PIECE))
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def _tmp_of(path: Path) -> str:
    state, mark, _ = str(path).rpartition(f"/{FOLDER}/")
    return f"{state}{mark}{TMP}" if mark else f"{path.parent}/{TMP}"
