"""Unpack npm tarballs into node_modules: same tarballs in, same bytes out, on any host.

``nodejs_tarballs.js`` does the same inside a Dockerfile's build stage, with the base's Node.js; a test holds the two together
(docs/adr/0011). What npm does is kept: the first folder of a tarball's names is dropped, links in it are not made, and
programs (``bin`` of package.json) are executable and linked from ``.bin`` (https://docs.npmjs.com/cli/configuring-npm/folders).
"""

from __future__ import annotations

import gzip
import json
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path


class TarballError(Exception):
    """A tarball is not what a registry serves; the message names the folder and the member."""


def install(tarballs: Mapping[str, Path], root: Path) -> None:
    """Unpack each tarball (path below ``root`` → where it is), then link the programs.

    Raises:
        TarballError: a tarball is broken, or a member wants to leave its folder.
    """
    paths = sorted(tarballs)
    together = [list(group) for _, group in groupby(paths, key=_top)]

    def unpack(group: list[str]) -> None:
        for path in group:
            _unpack(path, tarballs[path], root)

    with ThreadPoolExecutor(4) as pool:  # zlib lets go of the interpreter lock
        list(pool.map(unpack, together))
    for path in paths:
        _link(path, root)


def _top(path: str) -> str:
    """The package at the top that a path belongs to: what lies in one another is unpacked in turn."""
    return path.split("/node_modules/", 1)[0]


def _unpack(path: str, tarball: Path, root: Path) -> None:
    made: set[Path] = set()
    try:
        for name, data, executable in members(path, tarball):
            target = root / path / name
            _make_folder(target.parent, root, made)
            target.write_bytes(data)
            target.chmod(0o755 if executable else 0o644)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise TarballError(f"{path}: not a tarball: {error}") from error
    except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise TarballError(f"{path}: a name is both a file and a folder: {error.filename}") from error


def members(path: str, tarball: Path) -> Iterator[tuple[str, bytes, bool]]:
    """(name below the package's folder, content, executable) of every file; compiled Python is left out, as in every layer."""
    with tarball.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(tarball) if packed else tarball.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|") as archive:
        for member in archive:
            if not member.isreg() or member.name.endswith("/"):
                continue
            parts = [part for part in member.name.split("/") if part not in ("", ".")]
            if ".." in parts or member.name.startswith("/"):
                raise TarballError(f"{path}: {member.name!r} would be written outside of the folder it belongs to")
            content = archive.extractfile(member)
            if len(parts) > 1 and "__pycache__" not in parts and not parts[-1].endswith((".pyc", ".pyo")) and content:
                yield "/".join(parts[1:]), content.read(), bool(member.mode & 0o111)


def _make_folder(folder: Path, root: Path, made: set[Path]) -> None:
    if folder in made or folder == root:
        return
    _make_folder(folder.parent, root, made)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # whatever the umask is
    made.add(folder)


def _link(path: str, root: Path) -> None:
    holder, _, leaf = path.rpartition("node_modules/")
    links = root / holder / "node_modules/.bin"
    for name, program in programs(root / path / "package.json"):
        target = root / path / program
        if not target.is_file() or target.is_symlink():
            continue
        target.chmod(0o755)
        links.mkdir(exist_ok=True)
        links.chmod(0o755)
        if not (links / name).is_symlink():
            (links / name).symlink_to(f"../{leaf}/{program}")


def programs(manifest: Path) -> list[tuple[str, str]]:
    """(name, file) of each program that a package.json names."""
    try:
        about = json.loads(manifest.read_text("utf-8").lstrip("\ufeff"))
    except (OSError, ValueError):
        return []
    named = about.get("bin") if isinstance(about, dict) else None
    if isinstance(named, str):
        named = {str(about.get("name", "")): named}
    found = []
    for name, program in named.items() if isinstance(named, dict) else ():
        base = name.rpartition("/")[2]
        file = posixpath.normpath(f"/{program}").lstrip("/") if isinstance(program, str) else ""
        if file and base not in ("", ".", ".."):
            found.append((base, file))
    return found
