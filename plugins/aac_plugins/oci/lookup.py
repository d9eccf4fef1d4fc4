"""What is where in an image, read from its layers without unpacking them, and remembered."""

from __future__ import annotations

import json
import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aac_plugins.oci.archive import Archive, open_layer
from aac_plugins.oci.unpack import OPAQUE, WHITEOUT
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.codec import decode, encode

if TYPE_CHECKING:
    from aac_tasks.contracts.image import Layer
    from aac_tasks.contracts.tools import Tools

_ACCOUNTS = ("etc/passwd", "etc/group")
_FORMAT = 1


@dataclass(frozen=True)
class Place:
    """``kind``: ``dir``, ``file``, ``symlink`` or ``other``; permission bits, with set-id and sticky ones; owner."""

    kind: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class Look:
    """What was found: path without a leading slash → place; ``etc/passwd`` and ``etc/group`` → text. ``names`` are those of
    ``marks`` (last parts of paths) that are anywhere in the image.
    """

    places: Mapping[str, Place] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def look(layers: Sequence[Layer], tops: Iterable[str], marks: Sequence[str], tools: Tools) -> Look:
    """Everything at, above and below ``tops`` (paths in the image). StepError for a layer that can't be read."""
    tops = sorted({top.strip("/") for top in tops})
    key = fingerprint(["look", _FORMAT, [layer.diff_id for layer in layers], tops, [*marks]])
    try:
        text = tools.blobs.memo(key)
        known = decode(Look, json.loads(text)) if text is not None else None
    except ValueError:  # written by a version that described it otherwise
        known = None
    if known is None:
        known = _looked(layers, tops, marks, tools)
        tools.blobs.remember(key, json.dumps(encode(known)))
    return known


def _looked(layers: Sequence[Layer], tops: Sequence[str], marks: Sequence[str], tools: Tools) -> Look:
    found: dict[str, Place] = {}
    accounts: dict[str, str] = {}
    names: set[str] = set()
    for layer in layers:
        tools.progress(f"looking into {layer.name or 'the base'}")
        new: dict[str, Place] = {}
        for path, place, text in _members(layer, tools):
            last = posixpath.basename(path)
            names.update({last} & {*marks})
            if last.startswith(WHITEOUT):
                _hide(found, posixpath.dirname(path), last)
            elif _near(path, tops):
                new[path] = place
            if path in _ACCOUNTS:
                accounts[path] = text
        for path in (path for path, place in new.items() if place.kind != "dir"):
            _drop(found, f"{path}/")
        found.update(new)
    return Look(found, accounts, tuple(sorted(names)))


def _members(layer: Layer, tools: Tools) -> Iterator[tuple[str, Place, str]]:
    """Path, what is there, and the text of a file of accounts."""
    with open_layer(layer, tools.blobs) as archive:
        for member in archive:
            path = posixpath.normpath(member.name).strip("/")
            yield path, _place(member), _text(archive, member) if path in _ACCOUNTS and member.isreg() else ""


def _near(path: str, tops: Sequence[str]) -> bool:
    return any(not top or path == top or path.startswith(f"{top}/") or top.startswith(f"{path}/") for top in tops)


def _hide(found: dict[str, Place], folder: str, name: str) -> None:
    """Whiteouts are of lower layers: https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts."""
    if name == OPAQUE:
        _drop(found, f"{folder}/" if folder else "")
        return
    hidden = posixpath.join(folder, name[len(WHITEOUT) :])
    found.pop(hidden, None)
    _drop(found, f"{hidden}/")


def _drop(found: dict[str, Place], below: str) -> None:
    for path in [path for path in found if path.startswith(below)]:
        del found[path]


def _place(member: tarfile.TarInfo) -> Place:
    kinds = ((member.isdir(), "dir"), (member.issym(), "symlink"), (member.isreg() or member.islnk(), "file"))
    kind = next((name for true, name in kinds if true), "other")
    return Place(kind, stat.S_IMODE(member.mode), member.uid, member.gid)


def _text(archive: Archive, member: tarfile.TarInfo) -> str:
    return b"".join(archive.read(member)).decode("utf-8", "replace")


def account(look_: Look, file: str, name: str) -> Iterator[list[str]]:
    """The fields of the lines of ``etc/passwd`` or ``etc/group`` for that name."""
    lines = look_.accounts.get(file, "").splitlines()
    return (fields for line in lines if (fields := line.split(":"))[0] == name)
