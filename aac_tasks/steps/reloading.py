"""What leads from one image of an agent to the next, where files do: for an instance that is to go on with them."""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, TypeVar, cast

from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.image import Descriptor, ImageConfig, Layer, StoredImage
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.running import Changes
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.steps.image_files import PIECE, WHITEOUT, ImageFiles, name_of, opened, unpacked

T = TypeVar("T", ImageConfig, InstanceSpec)

Content = tuple[tarfile.TarInfo, tarfile.TarFile]

FILES = ("compiled", "files", "application", "dockerfile")
"""Layers that hold what an author writes, or what is made out of it."""

ATTRIBUTES = ("SCHILY.xattr.", "LIBARCHIVE.xattr.")
"""How a tar names extended attributes, which are not compared: https://man.archlinux.org/man/libarchive-formats.5."""

LARGEST = 32 << 20
"""Bytes of such layers, compressed, up to which comparing them is faster than starting anew."""


class NotFilesError(Exception):
    """More than files is another, or files in a way that a root can't follow; the text says what."""


@dataclass(frozen=True)
class _Member:
    """One entry of a layer; ``says`` is all that there is to it."""

    kind: bytes
    says: tuple[object, ...]


Known = dict[str, Mapping[str, _Member]]
"""What layers hold, by ``diff_id``, so that nobody reads one twice: the `REMEMBERED` last ones."""

REMEMBERED = 8


def changes_between(
    old: StoredImage, new: StoredImage, blobs: BlobStore, archive: Path, covered: Iterable[str], known: Known
) -> Changes:
    """What must be done to a root of ``old`` so that it holds the files of ``new``; ``archive`` is where to write them.

    ``covered`` are paths below which something else is mounted. Files are dated now, and not as in every image: whoever
    keeps something made from a file (bytecode, a page) and looks at its date has to see that it is another.

    Raises:
        NotFilesError: files alone don't lead there.
    """
    pairs = enumerate(zip(old.layers, new.layers, strict=False))
    first = next((number for number, (was, now) in pairs if was.diff_id != now.diff_id), len(new.layers))
    _refuse_more_than_files(old, new, first, blobs)
    before: dict[str, _Member] = {}
    for layer in old.layers[first:]:
        before.update(_held(layer, blobs, known))
    after: dict[str, _Member] = {}
    content: dict[str, Content] = {}
    with ExitStack() as stack:
        for layer in new.layers[first:]:
            tar = stack.enter_context(unpacked(layer, blobs))
            after.update(_remembered(known, layer, tar))
            content.update((path, (info, tar)) for info in tar if (path := name_of(info.name)))
        changed = sorted(path for path, member in after.items() if path not in before or before[path].says != member.says)
        gone = _topmost(path for path in before if path not in after)
        others = [path for path in changed if path in before and before[path].kind != after[path].kind]
        _refuse_depths((*gone, *others), new.layers[:first], blobs)
        _refuse_covered((*changed, *gone), covered)
        _write(archive, [content[path] for path in changed])
    return Changes(archive, tuple(_leaves(changed)), gone)


def learn(image: StoredImage, blobs: BlobStore, known: Known) -> None:
    """Read what its layers of files hold, before anybody waits for that."""
    layers = [layer for layer in image.layers if layer.name in FILES]
    if sum(layer.blob.size for layer in layers) <= LARGEST:
        for layer in layers:
            _held(layer, blobs, known)


def _refuse_depths(paths: Iterable[str], layers: tuple[Layer, ...], blobs: BlobStore) -> None:
    """NotFilesError where a path is to go that a lower layer has too."""
    below: ImageFiles | None = None
    for path in paths:
        below = below or ImageFiles(layers, blobs)
        if below.find(f"/{path}", follow=False):
            raise NotFilesError(f"another layer has {path} too")


def _refuse_covered(paths: Iterable[str], covered: Iterable[str]) -> None:
    """NotFilesError where a path and a mount lie in one another."""
    for path in paths:
        if place := next((place for place in covered if _overlaps(path, place.strip("/"))), ""):
            raise NotFilesError(f"{path} and the mount {place} lie in one another")


def refuse_others(was: T, now: T) -> None:
    """NotFilesError where two ways to run an image differ. Labels are for people."""
    for name in (f.name for f in fields(was) if f.name != "labels"):
        if getattr(was, name) != getattr(now, name):
            raise NotFilesError(f"its {name.replace('_', ' ')} changed")


def _refuse_more_than_files(old: StoredImage, new: StoredImage, first: int, blobs: BlobStore) -> None:
    refuse_others(_config(old.config, blobs), _config(new.config, blobs))
    if (old.platform, len(old.layers)) != (new.platform, len(new.layers)):
        raise NotFilesError("it has other layers")
    if first == len(new.layers):
        raise NotFilesError("its labels changed")
    pairs = zip(old.layers[first:], new.layers[first:], strict=True)
    others = [now.name for was, now in pairs if was.diff_id != now.diff_id and now.name not in FILES]
    if others:
        raise NotFilesError(f"its layer {others[0] or first} changed")
    if sum(layer.blob.size for layer in (*old.layers[first:], *new.layers[first:])) > 2 * LARGEST:
        raise NotFilesError("its files are too many to compare")


def _config(config: Descriptor, blobs: BlobStore) -> ImageConfig:
    with blobs.open(config.digest) as file:
        return config_from_oci(json.load(file))


def _held(layer: Layer, blobs: BlobStore, known: Known) -> Mapping[str, _Member]:
    if layer.diff_id in known:
        return known[layer.diff_id]
    with opened(layer, blobs) as tar:
        return _remembered(known, layer, tar)


def _remembered(known: Known, layer: Layer, tar: tarfile.TarFile) -> Mapping[str, _Member]:
    if layer.diff_id not in known:
        known[layer.diff_id] = {path: _member(path, info, tar) for info in tar if (path := name_of(info.name))}
        for oldest in list(known)[:-REMEMBERED]:
            del known[oldest]
    return known[layer.diff_id]


def _member(path: str, info: tarfile.TarInfo, tar: tarfile.TarFile) -> _Member:
    if not (info.isreg() or info.isdir() or info.issym()) or path.rpartition("/")[2].startswith(WHITEOUT):
        raise NotFilesError(f"{path} is neither a file, a folder nor a link")
    if any(name.startswith(ATTRIBUTES) for name in info.pax_headers):
        raise NotFilesError(f"{path} has extended attributes")
    mode = 0 if info.issym() else info.mode
    content = _digest(cast("IO[bytes]", tar.extractfile(info))) if info.isreg() else info.linkname
    return _Member(info.type, (info.type, mode, info.uid, info.gid, content))


def _digest(source: IO[bytes]) -> str:
    hashed = hashlib.sha256()
    while piece := source.read(PIECE):
        hashed.update(piece)
    return hashed.hexdigest()


def _write(archive: Path, members: Iterable[Content]) -> None:
    """Those members, out of the layers that have them, into a tar."""
    now = int(time.time())
    with archive.open("xb") as file, tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as out:
        for info, tar in members:
            info.mtime, info.pax_headers = now, {}
            out.addfile(info, tar.extractfile(info) if info.isreg() else None)


def _topmost(paths: Iterable[str]) -> tuple[str, ...]:
    """Without those that lie in another one."""
    found: list[str] = []
    for path in sorted(paths, key=lambda path: path.split("/")):
        if not found or not path.startswith(f"{found[-1]}/"):
            found.append(path)
    return tuple(found)


def _leaves(paths: list[str]) -> list[str]:
    """Without folders that others lie in."""
    return [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]


def _overlaps(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
