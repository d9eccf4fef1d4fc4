"""Mounts of an instance, checked and turned into places on this machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aac_plugins.runners.launch import User
from aac_tasks.contracts.actions import Mount
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Place:
    """One mount: ``source`` None is a tmpfs of ``size`` bytes (0: the kernel's default); ``kept``: a volume."""

    target: str
    source: Path | None = None
    kept: bool = False
    read_only: bool = False
    size: int = 0


def places(mounts: tuple[Mount, ...], tools: Tools) -> tuple[Place, ...]:
    """Where each mount comes from; volumes are folders in the agent's state and outlive the instance.

    Raises:
        StepError: a bind source is missing or outside the workspace, or a target is not an absolute path.
    """
    found = []
    for mount in mounts:
        target = PurePosixPath(mount.target)
        if not target.is_absolute() or ".." in target.parts or str(target) == "/":
            raise StepError(f"mount target {mount.target!r} is not an absolute path inside the image")
        if mount.type == "tmpfs":
            found.append(Place(str(target), read_only=mount.read_only, size=mount.size))
        elif mount.type == "bind":
            source = _existing(Path(mount.source)) if mount.anywhere else _inside(mount.source, tools.root)
            found.append(Place(str(target), source, read_only=mount.read_only))
        elif mount.type == "volume":
            found.append(Place(str(target), _volume(mount, tools), True, mount.read_only))
        else:
            tools.note(f"mount {mount.target} of type {mount.type} exists only on a cluster; left out here")
    return tuple(found)


def lend(found: tuple[Place, ...], user: User) -> None:
    """As root: an empty volume becomes the agent's, as engines do it."""
    for place in found:
        if os.geteuid() == 0 and place.kept and place.source is not None and not any(place.source.iterdir()):
            os.chown(place.source, user.uid, user.gid)


def _inside(source: str, root: Path) -> Path:
    path = (root / source).resolve()
    if not path.is_relative_to(root.resolve()):
        raise StepError(
            f"bind mount {source!r} lies outside the workspace {root}",
            hint="mount a folder of the workspace, or use a volume",
        )
    return _existing(path)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise StepError(f"bind mount: {path} is not there", hint="create it, or use a volume")
    return path


def volume_name(mount: Mount) -> str:
    """That of a mount of type volume; one without a name is called by its target.

    Raises:
        StepError: it is no name.
    """
    if not mount.source:
        return f"anonymous-{hashlib.sha256(str(PurePosixPath(mount.target)).encode()).hexdigest()[:12]}"
    if not _VOLUME.fullmatch(mount.source):
        raise StepError(f"{mount.source!r} is not a volume's name; expected letters, digits, '_', '.' and '-'")
    return mount.source


def _volume(mount: Mount, tools: Tools) -> Path:
    folder = tools.state / "volumes" / volume_name(mount)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
