"""Volumes of an engine. A folder that the image lacks is root's in a new one; here an empty volume becomes the agent's.

Nothing is started for that: the engine tells the owner of a place in a container that is made, and unpacks an archive there
(https://docs.docker.com/reference/api/engine/, ContainerArchive and PutContainerArchive).
"""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

from aac_plugins.oci.docker_api import Engine, MissingError, inside
from aac_plugins.runners.containers import create, remove
from aac_plugins.runners.demands import demand_network
from aac_plugins.runners.launch import User, user_of
from aac_plugins.runners.mounts import volume_name
from aac_tasks.contracts.actions import Mount
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.running import RunRequest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

HEAD = 1 << 15
"""Bytes of an archive in which its first two entries are."""

_NUMBERS = re.compile(r"[0-9]+:[0-9]+|0?")

PLACE = "volume"
"""Where the volume is in the container that is made to change its owner, and never started."""


def create_with_volumes(engine: Engine, request: RunRequest, body: JsonObject, tools: Tools) -> str:
    """The id of a container of that description, whose user can write to its volumes."""
    demand_network(engine, request, tools)
    container = create(engine, request.instance.name, body, tools)
    mounts = [mount for mount in request.instance.mounts if mount.type == "volume" and not mount.read_only]
    try:
        if mounts:
            _lend(engine, container, request, mounts, body["Image"], tools)
    except (StepError, tarfile.TarError) as error:
        tools.note(f"{request.instance.name}: its volumes stay as the engine made them: {error}")
    except BaseException:
        remove(engine, container, tools)
        raise
    return container


def _lend(engine: Engine, container: str, request: RunRequest, mounts: list[Mount], image: Json, tools: Tools) -> None:
    user = _user(engine, container, request, tools)
    for mount in mounts:
        found = _empty(engine, container, mount, tools) if user.uid else None
        if found is not None and found.uid != user.uid:
            _give(engine, f"{request.instance.name}-{volume_name(mount)}", image, _owned(found, user), tools)


def _user(engine: Engine, container: str, request: RunRequest, tools: Tools) -> User:
    """By number: names are those of the image's own files."""
    wanted = request.instance.isolation.user or request.config.user
    with tools.scratch() as folder:
        (folder / "etc").mkdir()
        for name in () if _NUMBERS.fullmatch(wanted) else ("etc/passwd", "etc/group"):
            _bring(engine, container, name, folder, tools)
        return user_of(wanted, folder)


def _bring(engine: Engine, container: str, name: str, folder: Path, tools: Tools) -> None:
    try:
        with engine.open(tools, "GET", inside(container, f"/{name}")) as response:
            archive = tarfile.open(fileobj=io.BytesIO(response.read()))  # noqa: SIM115  # in memory
    except MissingError:
        return
    for member in archive:
        if member.isfile() and (file := archive.extractfile(member)):
            (folder / name).write_bytes(file.read())


def _empty(engine: Engine, container: str, mount: Mount, tools: Tools) -> tarfile.TarInfo | None:
    """The volume's own folder, when nothing is in it."""
    head = b""
    with engine.open(tools, "GET", inside(container, mount.target)) as response:
        for piece in response.stream(HEAD):
            head += piece
            if len(head) >= HEAD:
                break
    archive = tarfile.open(fileobj=io.BytesIO(head))  # noqa: SIM115  # in memory
    folder = archive.next()
    return folder if folder is not None and folder.isdir() and archive.next() is None else None


def _owned(folder: tarfile.TarInfo, user: User) -> bytes:
    """An archive of that folder, now the user's."""
    folder.name, folder.uid, folder.gid, folder.uname, folder.gname = PLACE, user.uid, user.gid, "", ""
    folder.pax_headers = {}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(folder)
    return out.getvalue()


def _give(engine: Engine, volume: str, image: Json, owned: bytes, tools: Tools) -> None:
    """In a container of its own: into one whose root is read only the engine unpacks nothing, and there may be no parent."""
    options: Json = {"NoCopy": True}
    mount: Json = {"Type": "volume", "Source": volume, "Target": f"/{PLACE}", "VolumeOptions": options}
    container = create(engine, volume, {"Image": image, "Cmd": ["-"], "HostConfig": {"Mounts": [mount]}}, tools)
    try:
        with engine.open(tools, "PUT", inside(container, "/"), io.BytesIO(owned)) as answer:
            answer.read()
    finally:
        remove(engine, container, tools)
