"""What builders with an engine share. The engine is an executor of build stages, never the maker of the image
(docs/adr/0010): what a stage made is taken out of it and written by the same hands as the embedded builder's layers.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aac_plugins.builders.assembly import Commanded, Installed, access_key, assemble
from aac_plugins.builders.copies import UNREAD, NotPlainError
from aac_plugins.builders.stages import (
    Dialect,
    Work,
    commands_text,
    lender,
    lent_base,
    outlet,
    stage_text,
    work_of,
)
from aac_plugins.oci.engine_context import authorities
from aac_plugins.oci.sources import archived_entries, confirm_context
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.context import ContextFile
from aac_tasks.contracts.recipe import CommandLayer, Context, Recipe, Run, Stage
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_plugins.oci.layer import Entry
    from aac_tasks.contracts.canonical import JsonObject
    from aac_tasks.contracts.engines import Errand
    from aac_tasks.contracts.image import Layer, StoredImage
    from aac_tasks.contracts.recipe import DockerfileLayers
    from aac_tasks.contracts.roles import BaseImage, BuildRequest
    from aac_tasks.contracts.tools import Tools


class Executor(Protocol):
    """An engine for the time of one build. Everything that it makes on the way is gone from it afterwards."""

    @property
    def dialect(self) -> Dialect:
        """What its Dockerfiles may say."""
        ...

    def lend(self, image: StoredImage, name: str) -> None:
        """Let it have a base under a name."""
        ...

    def run(self, work: Work, stage: Stage, paths: Sequence[str], archive: Path) -> str:
        """Build the stage and write ``paths`` of it as a tar; what it said. StepError with the last lines of its command."""
        ...

    def make(self, work: Work, known: Sequence[Layer]) -> BaseImage:
        """Build an image and bring into the store all of it but the layers that are ``known``."""
        ...


class EngineMaker:
    """A `Maker` that has an engine do what needs commands. ``connect`` is called when something has to be run."""

    def __init__(self, name: str, connect: Connect) -> None:
        self.name = name
        self._connect = connect

    def build(self, request: BuildRequest, tools: Tools) -> StoredImage:
        """Build, or put together from what the store remembers, without asking the engine."""
        return assemble(self, request, tools)

    def key(self, layer: Installed, request: BuildRequest) -> JsonObject:
        """The engine's kind, and the stage that it runs."""
        return {"engine": self.name, "stage": encode(layer.stage), "access": access_key(request.recipe)}

    def entries(self, layer: Installed, request: BuildRequest, folder: Path, tools: Tools) -> Sequence[Entry]:
        """Run the stage, take its paths out."""
        stage, recipe = layer.stage, request.recipe
        if request.fetch is not None:
            request.fetch(layer.runtime, layer.locked)
        locked = stage.base or recipe.base
        base = request.base() if stage.base is None or request.fetch_base is None else request.fetch_base(locked)
        outside = stage.base is None and stage.image != ""  # an image that only the engine's registry has
        copied = any(isinstance(i, Context) for i in stage.instructions)
        work = work_of(request, f"stage {stage.name} of {recipe.name}", folder, locked.platform, context=copied)
        work = replace(work, settings=request.settings(layer.runtime) if request.settings else {})
        executor = self._connect(tools)
        image, named = lent_base(base, locked.platform, tools)
        dialect = _dialect(executor, tools, tuple(work.settings))
        text = stage_text(stage, stage.image if outside else named, recipe, lender(work, tools), dialect)
        work.dockerfile.write_text(text + outlet(stage, layer.paths), encoding="utf-8")
        if not outside:
            executor.lend(image, named)
        archive = folder / "stage.tar"
        executor.run(work, stage, layer.paths, archive)
        confirm_context(work.files or ())
        return archived_entries(archive)

    def errand(self, errand: Errand, into: Path, tools: Tools) -> str:
        """A stage like any other, so it reaches what builds reach; nothing of it is kept."""
        stage, platform = Stage("errand", errand.instructions, base=errand.image), errand.image.platform
        nothing = Recipe(errand.what, platform, errand.image, ())
        with tools.scratch() as folder:
            commands = tuple(i.argv for i in errand.instructions if isinstance(i, Run))
            work = Work(errand.what, folder, platform, no_cache=True, commands=commands, settings=errand.settings)
            work.lent.mkdir()
            work.lent.chmod(0o755)
            executor = self._connect(tools)
            image, named = lent_base(errand.fetch_base(errand.image), platform, tools)
            text = stage_text(stage, named, nothing, lender(work, tools), _dialect(executor, tools, tuple(work.settings)))
            work.dockerfile.write_text(text + outlet(stage, errand.paths), encoding="utf-8")
            executor.lend(image, named)
            archive = folder / "stage.tar"
            said = executor.run(work, stage, errand.paths, archive)
            _unpack(archived_entries(archive), into)
        return said

    def grow(self, layer: Commanded, image: BaseImage, request: BuildRequest, tools: Tools) -> BaseImage:
        """Run commands in the image, or the author's own Dockerfile."""
        with tools.scratch() as folder:
            if isinstance(layer, CommandLayer):
                return self._commands(layer, image, request, folder, tools)
            return self._own(layer, request, folder, tools)

    def _commands(self, layer: CommandLayer, image: BaseImage, request: BuildRequest, folder: Path, tools: Tools) -> BaseImage:
        recipe = request.recipe
        executor = self._connect(tools)
        stored, named = lent_base(image, recipe.platform, tools)
        work = work_of(request, f"commands of {recipe.name}", folder, recipe.platform, context=False)
        work.dockerfile.write_text(commands_text(named, layer.commands, recipe, _dialect(executor, tools)), encoding="utf-8")
        executor.lend(stored, named)
        made = executor.make(replace(work, commands=tuple(run.argv for run in layer.commands)), image.layers)
        return replace(made, config=image.config)  # USER 0:0 is for the commands, not for the image

    def _own(self, layer: DockerfileLayers, request: BuildRequest, folder: Path, tools: Tools) -> BaseImage:
        recipe = request.recipe
        work = work_of(request, f"{layer.file} of {recipe.name}", folder, recipe.platform, context=True)
        work.dockerfile.write_text(layer.text, encoding="utf-8")
        work = replace(work, target=layer.target, args=tuple(sorted(layer.args.items())), own=layer.file)
        if layer.rest:
            work = replace(work, files=(*request.context, _unread(folder)), root=folder / "no such folder")
        try:
            made = self._connect(tools).make(work, ())
        except StepError as error:
            if layer.rest and _ABSENT.search(f"{error.message}\n{error.tail}"):
                raise NotPlainError from error  # the line that reads it is in no file that we have
            raise
        confirm_context(work.files or ())
        return made


_ABSENT = re.compile(r"not found|no such file|is not in the build context", re.IGNORECASE)


def _unread(folder: Path) -> ContextFile:
    source = folder / UNREAD
    source.touch()
    return ContextFile(UNREAD, "file", source)


def _unpack(entries: Sequence[Entry], into: Path) -> None:
    """The files alone. An archive names each folder before what is in it, and nothing that is outside."""
    for entry in entries:
        place = into / entry.path
        if entry.type == "dir":
            place.mkdir(parents=True, exist_ok=True)
        elif entry.type == "file" and callable(entry.data):
            place.parent.mkdir(parents=True, exist_ok=True)
            with entry.data() as source, place.open("xb") as out:
                shutil.copyfileobj(source, out)


def _dialect(executor: Executor, tools: Tools, settings: tuple[str, ...] = ()) -> Dialect:
    return replace(executor.dialect, authorities=authorities(tools) != "", settings=settings)


class Connect(Protocol):
    """Finds the engine."""

    def __call__(self, tools: Tools) -> Executor:
        """StepError where it does not answer."""
        ...
