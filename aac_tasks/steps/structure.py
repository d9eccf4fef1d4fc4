"""Structure checks: what the image is, read from its layers and configuration without starting it."""

from __future__ import annotations

import re
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.quantities import memory_bytes
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import StepError

READ_AT_MOST = 8 * 1024 * 1024
"""Bytes of a file that ``contains`` looks at."""


@dataclass(frozen=True)
class Found:
    """A file as the uppermost layer that has it says; ``mode`` are the permission bits."""

    mode: int
    text: str


def check_structure(settings: Mapping[str, Json], image: StoredImage, config: ImageConfig, blobs: BlobStore) -> Iterator[str]:
    """Every failure."""
    yield from _check_config(settings, config)
    limit = settings.get("maxSize")
    size = sum(layer.blob.size for layer in image.layers)
    if limit is not None and size > memory_bytes(str(limit)):
        yield f"size: expected at most {limit}, got {size} bytes in {len(image.layers)} layers"
    wanted = settings.get("files")
    files = [f for f in wanted if isinstance(f, dict)] if isinstance(wanted, (list, tuple)) else []
    found = find_files(image, {str(f.get("path", "")) for f in files}, blobs) if files else {}
    for file in files:
        yield from _check_file(file, found.get(str(file.get("path", ""))))


def _check_config(settings: Mapping[str, Json], config: ImageConfig) -> Iterator[str]:
    exact = {
        "user": config.user,
        "workdir": config.working_dir,
        "entrypoint": list(config.entrypoint),
        "command": list(config.cmd),
    }
    for name, got in exact.items():
        if name in settings and settings[name] != got:
            yield f"{name}: expected {settings[name]!r}, got {got!r}"
    env = dict(pair.partition("=")[::2] for pair in config.env)
    yield from _check_table("env", settings.get("env"), env)
    yield from _check_table("label", settings.get("labels"), dict(config.labels))
    ports = settings.get("ports")
    if isinstance(ports, (list, tuple)):
        exposed = {int(p.partition("/")[0]) for p in config.exposed_ports}
        yield from (f"port: expected {p} to be exposed, got {sorted(exposed)}" for p in ports if p not in exposed)


def _check_table(word: str, wanted: Json, got: Mapping[str, str]) -> Iterator[str]:
    if isinstance(wanted, Mapping):
        for name, value in wanted.items():
            if got.get(name) != str(value):
                yield f"{word} {name}: expected {value!r}, got {got.get(name)!r}"


def _check_file(wanted: Mapping[str, Json], found: Found | None) -> Iterator[str]:
    path = wanted.get("path")
    if wanted.get("exists", True) is False:
        if found is not None:
            yield f"file {path}: expected not to exist, got one with mode {found.mode:04o}"
        return
    if found is None:
        yield f"file {path}: expected to exist, got nothing"
        return
    mode = wanted.get("mode")
    if mode is not None and int(str(mode), 8) != found.mode:
        yield f"file {path}: expected mode {mode}, got {found.mode:04o}"
    pattern = wanted.get("contains")
    if pattern is not None and not re.search(str(pattern), found.text):
        yield f"file {path}: expected to contain {pattern!r}, got {found.text[:200]!r}"


def find_files(image: StoredImage, paths: set[str], blobs: BlobStore) -> dict[str, Found]:
    """The files among ``paths`` (absolute) that the image has; the uppermost layer decides, whiteouts included."""
    wanted = {p.strip("/"): p for p in paths}
    found: dict[str, Found] = {}
    decided: set[str] = set()
    for layer in reversed(image.layers):
        if len(decided) == len(wanted):
            break
        decided |= _look(layer.blob.digest, wanted, found, blobs, frozenset(decided))
    return found


def _look(digest: str, wanted: Mapping[str, str], found: dict[str, Found], blobs: BlobStore, decided: frozenset[str]) -> set[str]:
    """What one layer decides: paths that it has, and paths that it removes."""
    from aac_tasks.contracts.image import Digest

    seen: set[str] = set()
    try:
        with blobs.open(Digest(digest)) as file, tarfile.open(fileobj=file, mode="r|*") as tar:
            for member in tar:
                name = member.name.removeprefix("./").strip("/")
                folder, _, last = name.rpartition("/")
                if last.startswith(".wh."):
                    seen |= _removed(folder, last, wanted)
                elif name in wanted and name not in decided:
                    seen.add(name)
                    found[wanted[name]] = Found(stat.S_IMODE(member.mode), _text(tar, member))
    except tarfile.TarError as error:
        raise StepError(f"layer {digest[:19]} can't be read: {error}") from error
    return seen


def _removed(folder: str, last: str, wanted: Mapping[str, str]) -> set[str]:
    """Whiteouts of the image specification (layer.md): one entry, or everything below a folder."""
    gone = folder if last == ".wh..wh..opq" else "/".join(p for p in (folder, last.removeprefix(".wh.")) if p)
    return {name for name in wanted if name == gone or name.startswith(f"{gone}/")}


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    stream = tar.extractfile(member) if member.isreg() else None
    return stream.read(READ_AT_MOST).decode("utf-8", "replace") if stream else member.linkname
