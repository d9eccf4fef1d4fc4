"""Images as trees that can be compared: what an engine exports, and what our layers unpack to."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from real.dockerd import Engine

from aac_plugins.oci.unpack import unpack
from aac_tasks.contracts.image import StoredImage
from aac_tasks.state.blobs import Blobs

MOUNT_POINTS = {
    ".dockerenv": "tells programs that they run in a container",
    "dev": "a mount; the engine makes what it mounts upon, if the image has none",
    "dev/console": "the terminal is mounted there",
    "dev/pts": "a mount",
    "dev/shm": "a mount",
    "etc/hostname": "a mount: the container's name",
    "etc/hosts": "a mount: the container's address",
    "etc/mtab": "a link to /proc/mounts",
    "etc/resolv.conf": "a mount: the network's name servers",
    "proc": "a mount",
    "sys": "a mount",
}
"""What an engine puts into the root of every container that it creates, and why; it is in every export."""


@dataclass(frozen=True)
class Node:
    """One path of an image. Dates are left out: a rebuild with an engine has other ones."""

    type: str
    mode: str
    owner: tuple[int, int]
    target: str = ""
    sha256: str = ""
    size: int = 0


Tree = Mapping[str, Node]

UNUSED = ("ArgsEscaped",)
"""What BuildKit says of every CMD, and what has a meaning on Windows only:
https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md (``ArgsEscaped``)."""


def exported(engine: Engine, name: str, folder: Path) -> Tree:
    """The files of an image as its container would see them, without the engine's own."""
    container = engine.docker("create", "--network=none", name).ok().stdout.strip()
    archive = folder / "export.tar"
    try:
        engine.docker("export", "--output", str(archive), container).ok()
    finally:
        engine.docker("rm", container).ok()
    with tarfile.open(archive) as tar:
        return _nodes(tar)


def unpacked(image: StoredImage, blobs: Blobs, folder: Path) -> Tree:
    """The files of an image as the runners without an engine unpack them, under the same exclusions."""
    owners: dict[str, tuple[int, int]] = {}
    unpack(image.layers, blobs, folder, owners=owners)
    return {name: node for name, node in _walk(folder, owners) if name not in MOUNT_POINTS}


def configuration(engine: Engine, name: str) -> dict[str, object]:
    """How an image runs: every field that says something, the order of the variables included."""
    (image,) = json.loads(engine.docker("image", "inspect", name).ok().stdout)
    config = {key: value for key, value in image["Config"].items() if value and key not in UNUSED}
    probe = config.get("Healthcheck")
    if probe:
        config["Healthcheck"] = {key: value for key, value in probe.items() if value}
    return {**config, "platform": (image["Os"], image["Architecture"], image.get("Variant", ""))}


def differences(one: Tree, other: Tree) -> dict[str, tuple[Node | None, Node | None]]:
    """Path → what it is here and there, where that is not the same."""
    return {path: (one.get(path), other.get(path)) for path in sorted({*one, *other}) if one.get(path) != other.get(path)}


def _nodes(tar: tarfile.TarFile) -> Tree:
    nodes: dict[str, Node] = {}
    for member in tar:
        name = member.name.strip("/")
        if member.islnk():
            nodes[name] = nodes[member.linkname.strip("/")]
        elif name and name not in MOUNT_POINTS:
            nodes[name] = _node(member, tar)
    return nodes


def _node(member: tarfile.TarInfo, tar: tarfile.TarFile) -> Node:
    kind = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link"}.get(member.type, repr(member.type))
    sha256 = _sha256(tar.extractfile(member) or io.BytesIO()) if member.isreg() else ""
    mode = "" if member.issym() else oct(member.mode)
    return Node(kind, mode, (member.uid, member.gid), member.linkname, sha256, member.size)


def _walk(root: Path, owners: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, Node]]:
    for folder, folders, files in os.walk(root):
        for entry in (*folders, *files):
            path = Path(folder, entry)
            name = path.relative_to(root).as_posix()
            yield name, _on_disk(path, owners.get(name, (0, 0)))


def _on_disk(path: Path, owner: tuple[int, int]) -> Node:
    info = path.lstat()
    mode = oct(stat.S_IMODE(info.st_mode))
    if stat.S_ISLNK(info.st_mode):
        return Node("link", "", owner, str(path.readlink()))
    if stat.S_ISDIR(info.st_mode):
        return Node("dir", mode, owner)
    with path.open("rb") as file:
        return Node("file", mode, owner, "", _sha256(file), info.st_size)


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
