"""Docker's classic build endpoint, for engines whose command has no BuildKit: one tar with everything, read as it is sent.

It knows no cache mounts, no build secrets and no ssh: caches are left out, the others refused.
Source: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageBuild.
"""

from __future__ import annotations

import json
import secrets
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.builders.commandline import TIMEOUT, Steps, failure
from aac_plugins.builders.docker_images import forget, taken
from aac_plugins.builders.stages import DOCKERFILE, LENT, ONE_CONTEXT, Dialect, Work
from aac_plugins.oci.docker_api import Engine, inside
from aac_plugins.oci.docker_load import inspect, load_image
from aac_plugins.oci.engine_context import context_folder
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.image import Layer, StoredImage
    from aac_tasks.contracts.recipe import Stage
    from aac_tasks.contracts.roles import BaseImage
    from aac_tasks.contracts.tools import Tools


OWN = ".dockerfile.of-the-author"


@dataclass(frozen=True)
class Classic:
    """See the module."""

    engine: Engine
    tools: Tools
    dialect: Dialect = ONE_CONTEXT

    def lend(self, image: StoredImage, name: str) -> None:
        """Load it, unless it is there."""
        load_image(self.engine, image, [name], self.tools)

    def run(self, work: Work, stage: Stage, paths: Sequence[str], archive: Path) -> str:
        """Build the stage itself, and read the paths out of a container that never starts."""
        name = work.kept or _name()
        before = inspect(self.engine, name, self.tools).get("Id")
        try:
            said = self._build(work, name, stage.name)
            self._read(name, {p: stage.made.get(p, p) for p in paths}, archive)
        finally:
            if not work.kept:
                forget(self.engine, name, self.tools)
        if before and before != inspect(self.engine, name, self.tools).get("Id"):
            forget(self.engine, str(before), self.tools)
        return said

    def make(self, work: Work, known: Sequence[Layer]) -> BaseImage:
        """Build into the engine under a name that is taken away again."""
        name = _name()
        try:
            self._build(work, name, work.target)
            return taken(self.engine, name, known, work, self.tools)
        finally:
            forget(self.engine, name, self.tools)

    def _build(self, work: Work, name: str, target: str) -> str:
        if work.secrets or work.ssh:
            raise StepError(f"{work.what}: build secrets and ssh need BuildKit", hint="install docker's buildx plugin")
        query = {"version": "1", "rm": "1", "forcerm": "1", "t": name, "target": target}
        query["dockerfile"] = OWN if work.own else DOCKERFILE
        query |= {"nocache": "1"} if work.no_cache else {}
        query |= {"buildargs": json.dumps(dict(work.args))} if work.args else {}
        network = self.tools.environment("AAC_BUILD_NETWORK")
        query |= {"networkmode": network} if network else {}
        seen, said = Steps(work.what), [""]
        for line in self._answers(_context(work), query):
            said.append(str(line.get("stream") or line.get("error") or "").rstrip("\n"))
            if told := seen.see(said[-1]):
                self.tools.progress(told)
            if line.get("error"):
                raise failure(work, "\n".join(said[-200:]), "docker")
        return "\n".join(said)

    def _answers(self, context: Path, query: dict[str, str]) -> Iterator[dict[str, object]]:
        with (
            context.open("rb") as body,
            self.engine.open(self.tools, "POST", "/build", body, timeout=str(TIMEOUT), **query) as response,
        ):
            yield from _lines(response.stream())

    def _read(self, name: str, paths: Mapping[str, str], archive: Path) -> None:
        made = self.engine.table(self.tools, "POST", "/containers/create", {"Image": name, "Cmd": ["-"]})
        container = str(made["Id"])
        try:
            with tarfile.open(archive, "w") as out:
                for number, (path, place) in enumerate(paths.items()):
                    piece = archive.with_name(f"{archive.name}.{number}")
                    self._save(container, place, piece)
                    _append(piece, path, out)
        finally:
            with suppress(StepError):
                self.engine.call(self.tools, "DELETE", f"/containers/{container}", force="1", v="1")

    def _save(self, container: str, path: str, file: Path) -> None:
        with self.engine.open(self.tools, "GET", inside(container, path)) as response, file.open("wb") as out:
            for chunk in response.stream():
                out.write(chunk)


def _name() -> str:
    return f"localhost/aac/work:{secrets.token_hex(8)}"


def _append(piece: Path, path: str, out: tarfile.TarFile) -> None:
    """Members are named from the last part of where they were made; here that part is ``path``."""

    def placed(name: str) -> str:
        below = name.strip("/").partition("/")[2]
        return f"{path.strip('/')}/{below}" if below else path.strip("/")

    with tarfile.open(piece, "r:") as tar:
        for member in tar:
            member.name = placed(member.name)
            if member.islnk():
                member.linkname = placed(member.linkname)
            out.addfile(member, tar.extractfile(member) if member.isreg() else None)


def _context(work: Work) -> Path:
    """The Dockerfile, what is lent and the build context, as one tar on disk."""
    packed = work.folder / "context.tar"
    copy = work.folder / "context"
    copy.mkdir()
    with tarfile.open(packed, "w") as tar:
        if work.files is not None:
            context_folder(work.files, work.folder / "no such folder", copy)
            tar.add(copy, arcname="." if work.own else "context")
        if work.own:  # the engine takes what is ignored here out of the context, once it has read it
            ignore = work.folder / "ignore"
            ignore.write_text(f".dockerignore\n{OWN}\n", encoding="utf-8")
            tar.add(ignore, arcname=".dockerignore")
        else:
            tar.add(work.lent, arcname=LENT)
        tar.add(work.dockerfile, arcname=OWN if work.own else DOCKERFILE)
    return packed


def _lines(pieces: Iterator[bytes]) -> Iterator[dict[str, object]]:
    """One JSON object a line."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (value for line in lines if line.strip() and isinstance(value := json.loads(line), dict))
    if rest.strip() and isinstance(value := json.loads(rest), dict):
        yield value
