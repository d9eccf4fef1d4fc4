"""Folders on disk → entries of a layer: what a runtime installed, here or in an engine, and the build context.

Modes are reduced to 0644 and 0755, owners to root, so umask and user leave no trace. What is read is
checked while it is read: an installed file must not hold the path of the folder that it was installed in, a
context file must be the one whose hash is in the step's key.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from aac_plugins.oci.layer import Entry
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.context import ContextFile
from aac_tasks.errors import StepError

_PLAIN, _EXECUTABLE = 0o644, 0o755
_CACHES = "__pycache__"
_COMPILED = (".pyc", ".pyo")


def installed_entries(root: Path) -> list[Entry]:
    """Everything below ``root``, without compiled Python (its bytes depend on the interpreter that made it).

    StepError, then or while a file is read, when something can't be in a layer or names ``root`` itself.
    """
    places = sorted({os.fsencode(root), os.fsencode(root.resolve())})
    return [_installed(root, path, places) for path in _walk(root)]


def archived_entries(archive: Path) -> list[Entry]:
    """Everything in a tar that an engine made, as `installed_entries` would have it; bytes are read when they are written.

    StepError for what can't be in a layer, and for a file that is no whole tar.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            members = {member.name.strip("/").removeprefix("./"): member for member in tar if member.name.strip("/.")}
    except (tarfile.TarError, OSError) as error:
        raise StepError(f"the engine's archive can't be read: {error}") from error
    return [_archived(archive, name, members) for name in members if not _is_cache(name)]


def _archived(archive: Path, name: str, members: Mapping[str, tarfile.TarInfo]) -> Entry:
    member = members[name]
    if member.issym():
        _refuse_escape(name, member.linkname, f"built link {name}", absolute=True)
        return Entry(name, "symlink", target=member.linkname)
    if member.isdir():
        return Entry(name, "dir", _EXECUTABLE)
    held = members.get(member.linkname.strip("/").removeprefix("./"), member) if member.islnk() else member
    if not held.isreg():
        raise StepError(f"built {name} is neither file, folder nor link")
    mode = _EXECUTABLE if held.mode & stat.S_IXUSR else _PLAIN
    return Entry(name, "file", mode, held.size, data=lambda: cast("IO[bytes]", _Part(archive, held.offset_data, held.size)))


def _is_cache(name: str) -> bool:
    return _CACHES in name.split("/") or name.endswith(_COMPILED)


def context_entries(files: Sequence[ContextFile], target: str) -> list[Entry]:
    """The build context below ``target`` (absolute, in the image).

    StepError for a link that leads out of the context, and for a file that changed since it was hashed,
    when read.
    """
    place = target.strip("/")
    top = [Entry(place, "dir", _EXECUTABLE)] if place else []
    return [*top, *(_context(file, posixpath.join(place, file.path)) for file in files)]


def confirm_context(files: Sequence[ContextFile]) -> None:
    """Read every file once more, after an engine read them in its own way; StepError when one is no longer what was hashed."""
    for file in files:
        try:
            _confirm(file)
        except OSError as error:
            raise _changed(file) from error


def _confirm(file: ContextFile) -> None:
    if file.type == "link" and str(file.source.readlink()) != file.target:
        raise _changed(file)
    if file.type == "file":
        with _checked(file.source, _Hashing(file)) as source:
            while source.read(1 << 20):
                pass


def context_fingerprint(files: Sequence[ContextFile]) -> str:
    """A name for all that ``context_entries`` would write."""
    return fingerprint([[f.path, f.type, f.executable, f.target, f.size, f.sha256] for f in files])


def selected(files: Sequence[ContextFile], only: Sequence[str]) -> Sequence[ContextFile]:
    """Those files that ``only`` (files and folders; empty: everything) names; StepError for a name that nothing has."""
    if not only:
        return files
    for name in only:
        if not any(_below(file.path, name) for file in files):
            raise StepError(
                f"{name} is not in the build context, and the image shall hold it",
                hint="correct its name in agent.yaml, or the pattern of .dockerignore that leaves it out",
            )
    return [file for file in files if any(_below(file.path, name) for name in only)]


def _below(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}/")


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if name != _CACHES)
        here = Path(folder)
        yield from (here / name for name in folders)
        yield from (here / name for name in sorted(files) if not name.endswith(_COMPILED))


def _unreadable(error: OSError) -> None:
    raise StepError(f"installed {error.filename} can't be read: {error.strerror}") from error


def _installed(root: Path, path: Path, places: Sequence[bytes]) -> Entry:
    name = path.relative_to(root).as_posix()
    info = path.lstat()
    if stat.S_ISLNK(info.st_mode):
        target = str(path.readlink())
        if any(place in os.fsencode(target) for place in places):
            raise _host_path(name)
        _refuse_escape(name, target, f"installed link {name}", absolute=True)
        return Entry(name, "symlink", target=target)
    if stat.S_ISDIR(info.st_mode):
        return Entry(name, "dir", _EXECUTABLE)
    if not stat.S_ISREG(info.st_mode):
        raise StepError(f"installed {name} is neither file, folder nor link")
    mode = _EXECUTABLE if info.st_mode & stat.S_IXUSR else _PLAIN
    return Entry(name, "file", mode, info.st_size, data=lambda: _checked(path, _Searching(name, places)))


def _context(file: ContextFile, place: str) -> Entry:
    if file.type == "link":
        _refuse_escape(file.path, file.target, f"link {file.path} of the build context", absolute=False)
        return Entry(place, "symlink", target=file.target)
    if file.type == "dir":
        return Entry(place, "dir", _EXECUTABLE)
    mode = _EXECUTABLE if file.executable else _PLAIN
    return Entry(place, "file", mode, file.size, data=lambda: _checked(file.source, _Hashing(file)))


def _refuse_escape(path: str, target: str, what: str, *, absolute: bool) -> None:
    """Links are kept as text; one that climbs above its tree (or is absolute, unless allowed) is refused."""
    if target.startswith("/"):
        escapes = not absolute
    else:
        end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        escapes = end == ".." or end.startswith("../")
    if escapes:
        raise StepError(f"{what} points to {target}, which is outside", hint="copy the file there, or leave the link out")


def _host_path(name: str) -> StepError:
    return StepError(
        f"installed {name} holds the path of the folder that it was installed in, a place of this host",
        hint="this is a bug of the runtime's plugin: report it with the name of the file",
    )


def _changed(file: ContextFile) -> StepError:
    return StepError(f"{file.path} changed while the image was built", hint="build again when nothing writes to it")


class _Part:
    """Some bytes of a file, as a file of their own."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._left = size

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece


class _Searching:
    """Looks for the host's paths in bytes that pass by, across the borders of pieces too."""

    def __init__(self, name: str, places: Sequence[bytes]) -> None:
        self._name = name
        self._places = places
        self._keep = max(len(place) for place in places) - 1
        self._tail = b""

    def see(self, piece: bytes) -> None:
        window = self._tail + piece
        if any(place in window for place in self._places):
            raise _host_path(self._name)
        self._tail = window[-self._keep :]

    def end(self) -> None:
        """Nothing is left to say."""


class _Hashing:
    """Compares what was read with what the step's key says."""

    def __init__(self, file: ContextFile) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def see(self, piece: bytes) -> None:
        self._hash.update(piece)

    def end(self) -> None:
        if self._file.sha256 and self._hash.hexdigest() != self._file.sha256:
            raise _changed(self._file)


class _Checked:
    """A file whose bytes are shown to a watcher as they are read."""

    def __init__(self, path: Path, watcher: _Searching | _Hashing) -> None:
        self._file = path.open("rb")
        self._watcher = watcher

    def __enter__(self) -> _Checked:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        if piece:
            self._watcher.see(piece)
        else:
            self._watcher.end()
        return piece


def _checked(path: Path, watcher: _Searching | _Hashing) -> IO[bytes]:
    return cast("IO[bytes]", _Checked(path, watcher))
