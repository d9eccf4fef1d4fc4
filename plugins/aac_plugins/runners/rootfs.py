"""An instance's own root folder: the image's layers, unpacked.

Unpacked anew for each instance: a copy shared through hard links would be changed by whatever the agent writes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aac_plugins.oci.unpack import lay_over, unpack
from aac_plugins.runners.mounts import Place
from aac_plugins.runners.paths import resolve_in
from aac_tasks.contracts.roles import RunRequest
from aac_tasks.contracts.running import Changes
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

NAME = "root"


def make_root(request: RunRequest, tools: Tools) -> Path:
    """Unpack the image into the instance's folder; owners are the image's when that is allowed (as root).

    Raises:
        StepError: a layer is missing or broken, or something can't be written.
    """
    root = request.state / NAME
    owners: dict[str, tuple[int, int]] = {}
    unpack(request.image.layers, tools.blobs, root, owners=owners)
    root.chmod(0o755)
    _own(root, owners)
    return root


def renew_root(root: Path, changes: Changes) -> None:
    """Give an instance's root, in which nothing runs, the files of another image; what else is in there stays.

    Raises:
        StepError: something can't be written; some files are then the old ones.
    """
    owners: dict[str, tuple[int, int]] = {}
    try:
        lay_over(root, changes.archive, changes.gone, owners=owners)
        _own(root, owners)
    except OSError as error:
        raise StepError(f"the files of {root} can't be changed: {error.strerror or error}") from error


def _own(root: Path, owners: Mapping[str, tuple[int, int]]) -> None:
    if os.geteuid() == 0:
        for path, (uid, gid) in owners.items():
            os.chown(root / path, uid, gid, follow_symlinks=False)


def add_network_files(root: Path, name: str, dns: tuple[str, ...]) -> None:
    """What an engine writes too: names of hosts, and where to ask for others (the host's, unless ``dns`` says)."""
    servers = "".join(f"nameserver {server}\n" for server in dns)
    write_file(root, "/etc/hosts", f"127.0.0.1\tlocalhost {name}\n::1\tlocalhost {name}\n")
    write_file(root, "/etc/hostname", f"{name}\n")
    write_file(root, "/etc/resolv.conf", servers or _read(Path("/etc/resolv.conf")))


def write_file(root: Path, path: str, text: str) -> None:
    """Replace one small file inside the root."""
    place = resolve_in(root, path)
    make_folder(root, str(Path(path).parent))
    if place.is_symlink() or place.is_file():
        place.unlink()
    place.write_text(text)
    place.chmod(0o644)


def make_folder(root: Path, path: str) -> Path:
    """A folder inside the root, with its parents."""
    place = resolve_in(root, path)
    missing = [p for p in (place, *place.parents) if not p.exists()]
    try:
        place.mkdir(parents=True, exist_ok=True)
        for made in missing:
            made.chmod(0o755)  # whatever the umask: the agent's user is another one
    except OSError as error:
        raise StepError(f"{path} in the image can't be a folder: {error.strerror}") from error
    return place


def make_target(root: Path, mount: Place) -> Path:
    """What a mount covers: a folder, or an empty file when its source is a file."""
    if mount.source is None or mount.source.is_dir():
        return make_folder(root, mount.target)
    make_folder(root, str(Path(mount.target).parent))
    place = resolve_in(root, mount.target)
    place.touch()
    return place


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
