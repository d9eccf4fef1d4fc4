"""What to start: argument list, environment, folder and user, as an image and an instance together say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.runners.paths import resolve_in
from aac_tasks.contracts.image import ImageConfig
from aac_tasks.contracts.roles import RunRequest
from aac_tasks.errors import StepError

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What engines give an image that sets no PATH."""


@dataclass(frozen=True)
class User:
    """Who the agent is inside: numbers, and the home folder that the image knows for it."""

    uid: int
    gid: int
    home: str = "/"


@dataclass(frozen=True)
class Launch:
    """A process inside an image. ``env`` holds secrets: never log it."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str
    user: User


def launch_of(request: RunRequest, root: Path, port: Mapping[str, str]) -> Launch:
    """Image configuration plus instance. ``port`` is what the agent is told when its port had to move.

    Raises:
        StepError: the image says nothing to start, or names a user that it does not have.
    """
    config = request.config
    argv = (*config.entrypoint, *(request.instance.command or config.cmd))
    if not argv:
        raise StepError(f"image of {request.instance.name} has neither entrypoint nor command", hint="set spec.entrypoint")
    user = user_of(request.instance.isolation.user or config.user, root)
    defaults = {"PATH": DEFAULT_PATH, "HOME": user.home, "HOSTNAME": request.instance.name}
    env = {**defaults, **env_of(config), **request.env, **port}
    return Launch(argv, env, config.working_dir or "/", user)


def env_of(config: ImageConfig) -> dict[str, str]:
    """The environment that the image itself brings."""
    return {name: value for name, _, value in (item.partition("=") for item in config.env)}


def user_of(wanted: str, root: Path) -> User:
    """Numbers of a user of the image: ``uid``, ``uid:gid``, ``name`` or ``name:group``; root when it names none.

    Source: image-spec config.md, ``User``; /etc/passwd and /etc/group are the image's own.
    """
    name, _, group = wanted.partition(":")
    rows = _rows(root, "/etc/passwd", 7)
    row = next((r for r in rows if name in (r[0], r[2])), None)
    if not name:
        row = next((r for r in rows if r[2] == "0"), None)
    if row is None and name and not name.isdigit():
        raise StepError(f"image's user {name!r} is not in its /etc/passwd", hint="name the user by number")
    uid = int(row[2]) if row else int(name or 0)
    gid = int(row[3]) if row else 0
    if group:
        gid = _group(root, group)
    elif row is None and name:
        gid = 0
    return User(uid, gid, row[5] if row and row[5] else "/")


def _group(root: Path, group: str) -> int:
    if group.isdigit():
        return int(group)
    for row in _rows(root, "/etc/group", 3):
        if row[0] == group:
            return int(row[2])
    raise StepError(f"image's group {group!r} is not in its /etc/group", hint="name the group by number")


def _rows(root: Path, path: str, columns: int) -> list[list[str]]:
    try:
        text = resolve_in(root, path).read_text(errors="replace")
    except OSError:
        return []
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) >= columns and row[2].isdigit()]
