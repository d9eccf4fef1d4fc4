"""Recipe → OCI image, whoever makes its layers: base, files and application are the same bytes from every builder.

An image is the base's layers, then one layer for each of the recipe's. A builder brings a `Maker` for what needs a
language's tools or commands; the rest is written here. Each layer is remembered in the store under the fingerprint of all
that it is made from, so an edited source line never installs, reads or hashes the dependencies again, and runs no command of
an engine at all where nothing is compiled.

Files are dated 1980-01-01, the oldest date a zip file can hold, whatever ``recipe.created`` says: the date
of a build stands in the configuration only, and neither the layers nor the content digest change with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol, TypeVar

from aac_plugins.builders.copies import NotPlainError, placed, read_of
from aac_plugins.oci.documents import About, History, write_image
from aac_plugins.oci.layer import LAYER_FORMAT, Entry, write_layer
from aac_plugins.oci.sources import context_entries, context_fingerprint, selected
from aac_tasks.contracts.canonical import Json, JsonObject, fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import HealthProbe, ImageConfig, Layer, StoredImage
from aac_tasks.contracts.recipe import (
    ApplicationLayer,
    CommandLayer,
    CompiledLayer,
    DependencyLayer,
    DockerfileLayers,
    FileLayer,
    Recipe,
    Stage,
)
from aac_tasks.contracts.roles import BaseImage

if TYPE_CHECKING:
    from aac_tasks.contracts.roles import BuildRequest
    from aac_tasks.contracts.tools import Tools

T = TypeVar("T", Layer, "Grown")

FORMAT = 1
"""Raised when the same recipe would give other bytes; a golden digest in the tests sees to it."""

FILE_DATE = 315532800
"""Seconds: 1980-01-01T00:00:00Z."""

Installed = DependencyLayer | CompiledLayer
"""Layers that are a folder which a language's tools fill."""

Commanded = CommandLayer | DockerfileLayers
"""Layers that commands make on top of the image so far."""


class Maker(Protocol):
    """How one builder makes what needs tools or commands."""

    @property
    def name(self) -> str:
        """The builder's, for the image's history."""
        ...

    def key(self, layer: Installed, request: BuildRequest) -> JsonObject:
        """What the layer is made from besides base, platform, dependencies and sources: how this builder does it."""
        ...

    def entries(self, layer: Installed, request: BuildRequest, folder: Path, tools: Tools) -> Sequence[Entry]:
        """Make the layer's files, in ``folder``, which is empty and stays until they are written."""
        ...

    def grow(self, layer: Commanded, image: BaseImage, request: BuildRequest, tools: Tools) -> BaseImage:
        """The image after the layer's commands; StepError where nothing can run them."""
        ...


@dataclass(frozen=True)
class Grown:
    """What commands made of an image, as it is remembered: all layers of it, and its configuration."""

    layers: tuple[Layer, ...]
    config: ImageConfig


def assemble(maker: Maker, request: BuildRequest, tools: Tools) -> StoredImage:
    """Build, or put together from what the store remembers."""
    recipe = request.recipe
    image = request.base()
    history = [History(f"base {recipe.base.reference}") for _ in image.layers]
    for layer in recipe.layers:
        before = len(image.layers)
        if isinstance(layer, DockerfileLayers):
            image = _own(layer, image, maker, request, tools)
        elif isinstance(layer, CommandLayer):
            image = _grown(layer, image, maker, request, tools)
        else:
            image = BaseImage((*image.layers, _make(layer, maker, request, tools)), image.config)
        history += [History(f"aac {maker.name}: {one.name}") for one in image.layers[before:]]
    about = About(created=recipe.created, annotations=recipe.annotations, history=tuple(history))
    config = configure(recipe, image.config)
    return write_image(image.layers, config, tools.blobs, platform=recipe.platform, about=about)


def configure(recipe: Recipe, base: ImageConfig) -> ImageConfig:
    """How the image runs: the recipe over the base, by the rules that a Dockerfile's instructions have.

    A variable keeps its place in the base's order, new ones follow sorted by name. An entrypoint of the
    recipe drops the base's command, as ENTRYPOINT does.
    """
    env = base.variables
    new = sorted(name for name in recipe.env if name not in env)
    values = {**env, **recipe.env}
    ports = {port if "/" in port else f"{port}/tcp" for port in recipe.ports}
    return ImageConfig(
        env=tuple(f"{name}={values[name]}" for name in (*env, *new)),
        entrypoint=recipe.entrypoint or base.entrypoint,
        cmd=recipe.command or (() if recipe.entrypoint else base.cmd),
        user=recipe.user or base.user,
        working_dir=recipe.workdir or base.working_dir,
        exposed_ports=tuple(sorted({*base.exposed_ports, *ports})),
        volumes=base.volumes,
        labels={**base.labels, **recipe.labels},
        stop_signal=recipe.stop_signal or base.stop_signal,
        healthcheck=_healthcheck(recipe, base),
    )


def _healthcheck(recipe: Recipe, base: ImageConfig) -> HealthProbe | None:
    """The base's own stays where the recipe's can't be asked from inside the image."""
    probe = recipe.probe
    return base.healthcheck if probe is None or (not probe.command and base.healthcheck) else probe


def _make(layer: Installed | ApplicationLayer | FileLayer, maker: Maker, request: BuildRequest, tools: Tools) -> Layer:
    if isinstance(layer, ApplicationLayer):
        return _application(layer, request, tools)
    if isinstance(layer, FileLayer):
        return _files(layer, request, tools)
    return _installed(layer, maker, request, tools)


def _installed(layer: Installed, maker: Maker, request: BuildRequest, tools: Tools) -> Layer:
    if isinstance(layer, DependencyLayer):
        what, doing, key = "dependencies", "installing dependencies", _dependency_key(layer, request)
    else:
        what = layer.stage.name if layer.texts else "compiled"
        doing, key = f"compiling {layer.stage.name}" if layer.texts else "compiling", _compiled_key(layer, request)

    def make() -> Layer:
        tools.progress(doing)
        with tools.scratch() as folder:
            return _write(what, maker.entries(layer, request, folder, tools), tools)

    return _remembered({**key, **maker.key(layer, request)}, Layer, make, tools, again=request.no_cache)


def _dependency_key(layer: DependencyLayer, request: BuildRequest) -> JsonObject:
    return {
        "what": "dependencies",
        "format": [FORMAT, LAYER_FORMAT],
        "runtime": [layer.runtime, layer.runtime_version],
        "locked": encode(layer.locked),
        "base": encode(request.recipe.base),
    }


def _compiled_key(layer: CompiledLayer, request: BuildRequest) -> JsonObject:
    """Everything that is compiled: the sources, what they need, and the tools that do it."""
    return {
        "what": "compiled",
        "format": [FORMAT, LAYER_FORMAT],
        "layer": encode(replace(layer, stage=Stage("", ()))),  # how an engine would do it is for the maker's key
        "base": encode(request.recipe.base),
        "platform": str(request.recipe.platform),
        "tree": "" if layer.texts else context_fingerprint(request.context),
    }


def _own(layer: DockerfileLayers, image: BaseImage, maker: Maker, request: BuildRequest, tools: Tools) -> BaseImage:
    """An author's own Dockerfile: what it copies last is written here, where it is plain what that is."""
    if layer.copies:
        with suppress(NotPlainError):
            rest = replace(layer, text=layer.rest, copies=())
            grown = _grown(rest, image, maker, replace(request, context=read_of(request.context, layer.reads)), tools)
            return _copied(layer, grown, request, tools)
    return _grown(replace(layer, copies=(), rest="", reads=()), image, maker, request, tools)


def _copied(layer: DockerfileLayers, image: BaseImage, request: BuildRequest, tools: Tools) -> BaseImage:
    members = placed(layer.copies, image, request.context, tools)
    key: JsonObject = {
        "what": "copied",
        "format": [FORMAT, LAYER_FORMAT],
        "members": [[e.path, e.type, e.mode, e.target, e.uid, e.gid, e.size, f.sha256 if f else ""] for e, f in members],
    }
    make = lambda: _write("application", [entry for entry, _ in members], tools)  # noqa: E731
    return BaseImage((*image.layers, _remembered(key, Layer, make, tools, again=request.no_cache)), image.config)


def _grown(layer: Commanded, image: BaseImage, maker: Maker, request: BuildRequest, tools: Tools) -> BaseImage:
    key: JsonObject = {
        "what": layer.kind,
        "format": [FORMAT, LAYER_FORMAT],
        "engine": maker.name,
        "layer": encode(layer),
        "image": [[x.diff_id for x in image.layers], encode(image.config)],
        "platform": str(request.recipe.platform),
        "access": access_key(request.recipe),
        "tree": context_fingerprint(request.context) if isinstance(layer, DockerfileLayers) else "",
    }

    def make() -> Grown:
        grown = maker.grow(layer, image, request, tools)
        return Grown(grown.layers, grown.config)

    grown = _remembered(key, Grown, make, tools, again=request.no_cache)
    return BaseImage(grown.layers, grown.config)


def access_key(recipe: Recipe) -> Json:
    """What commands may see of the author's: names and places of secrets, never their values."""
    return [[[s.name, s.target] for s in recipe.secrets], recipe.ssh] if recipe.secrets or recipe.ssh else []


def _application(layer: ApplicationLayer, request: BuildRequest, tools: Tools) -> Layer:
    files = selected(request.context, layer.only)
    key: JsonObject = {
        "what": "application",
        "format": [FORMAT, LAYER_FORMAT],
        "target": layer.target,
        "tree": context_fingerprint(files),
    }

    def make() -> Layer:
        return _write("application", context_entries(files, layer.target), tools)

    return _remembered(key, Layer, make, tools, again=request.no_cache)


def _files(layer: FileLayer, request: BuildRequest, tools: Tools) -> Layer:
    key: JsonObject = {"what": "files", "format": [FORMAT, LAYER_FORMAT], "files": dict(layer.files)}
    make = lambda: _write("files", _file_entries(layer.files), tools)  # noqa: E731
    return _remembered(key, Layer, make, tools, again=request.no_cache)


def _file_entries(files: Mapping[str, str]) -> list[Entry]:
    return [Entry(str(PurePosixPath(path).relative_to("/")), "file", 0o644, data=text.encode()) for path, text in files.items()]


def _write(name: str, entries: Sequence[Entry], tools: Tools) -> Layer:
    with tools.scratch() as folder:
        return write_layer(entries, tools.blobs, folder, name=name, created=FILE_DATE)


def _remembered(key: JsonObject, kind: type[T], make: Callable[[], T], tools: Tools, *, again: bool) -> T:
    """What was made under ``key`` while its blobs are there (a memo and a stat each), else made anew."""
    name = fingerprint(key)
    known = None if again else _decoded(kind, tools.blobs.memo(name))
    if known is not None and all(tools.blobs.has(layer.blob) for layer in _layers(known)):
        return known
    made = make()
    tools.blobs.remember(name, json.dumps(encode(made)))
    return made


def _layers(made: Layer | Grown) -> tuple[Layer, ...]:
    return made.layers if isinstance(made, Grown) else (made,)


def _decoded(kind: type[T], text: str | None) -> T | None:
    try:
        return decode(kind, json.loads(text)) if text is not None else None
    except ValueError:  # written by a version that described it otherwise
        return None
