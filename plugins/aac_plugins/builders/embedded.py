"""Builder ``embedded``: recipe → OCI image without daemon, root or Dockerfile.

An image is the base's layers, then one layer for each of the recipe's. The dependency layer is made once
per (locked dependencies, locked base, runtime): the store remembers it under their fingerprint, so an
edited source line never installs, reads or hashes it again. The application layer is remembered under its
tree's fingerprint.

Files are dated 1980-01-01, the oldest date a zip file can hold, whatever ``recipe.created`` says: the date
of a build stands in the configuration only, and neither the layers nor the content digest change with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from aac_plugins.oci.documents import About, History, write_image
from aac_plugins.oci.layer import LAYER_FORMAT, Entry, write_layer
from aac_plugins.oci.sources import context_entries, context_fingerprint, installed_entries, selected
from aac_tasks.contracts.canonical import JsonObject, fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import ImageConfig, Layer, StoredImage
from aac_tasks.contracts.recipe import (
    ApplicationLayer,
    CommandLayer,
    CompiledLayer,
    DependencyLayer,
    FileLayer,
    Recipe,
    RecipeLayer,
    Stage,
)
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

if TYPE_CHECKING:
    from aac_tasks.contracts.roles import Builder, BuildRequest
    from aac_tasks.contracts.tools import Tools

FORMAT = 1
"""Raised when the same recipe would give other bytes; a golden digest in the tests sees to it."""

FILE_DATE = 315532800
"""Seconds: 1980-01-01T00:00:00Z."""

_REASONS = {
    "commands": "the recipe runs commands in the image (RUN); use --builder docker",
    "dockerfile": "build.dockerfile is the author's own Dockerfile; use --builder docker",
    "system-packages": "build.systemPackages on a registry image needs RUN; use --builder docker",
}


class EmbeddedBuilder:
    """See the module."""

    name: str = "embedded"
    format: int = FORMAT
    uses_toolchain: bool = False

    def can_build(self, recipe_needs: frozenset[str], tools: Tools) -> str:
        """Everything that runs no command inside the image, with the host's tools for what is compiled."""
        for need in sorted(recipe_needs):
            kind, _, program = need.partition(":")
            if kind != "tool":
                return _REASONS.get(need, f"the recipe needs {need}; use --builder docker")
            if tools.which(program) is None:
                return f"{program} is not installed; install it, or use --builder docker"
        return ""

    def build(self, request: BuildRequest, tools: Tools) -> StoredImage:
        """Build, or put together from what the store remembers."""
        recipe = request.recipe
        base = request.base()
        made = [_make(layer, request, tools) for layer in recipe.layers]
        history = [History(f"base {recipe.base.reference}") for _ in base.layers]
        history += [History(f"aac {self.name}: {layer.name}") for layer in made]
        about = About(created=recipe.created, annotations=recipe.annotations, history=tuple(history))
        config = configure(recipe, base.config)
        return write_image((*base.layers, *made), config, tools.blobs, platform=recipe.platform, about=about)


def configure(recipe: Recipe, base: ImageConfig) -> ImageConfig:
    """How the image runs: the recipe over the base, by the rules that a Dockerfile's instructions have.

    A variable keeps its place in the base's order, new ones follow sorted by name. An entrypoint of the
    recipe drops the base's command, as ENTRYPOINT does.
    """
    env = dict(line.partition("=")[::2] for line in base.env)
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
        healthcheck=recipe.probe or base.healthcheck,
    )


def _make(layer: RecipeLayer, request: BuildRequest, tools: Tools) -> Layer:
    if isinstance(layer, DependencyLayer):
        return _dependencies(layer, request, tools)
    if isinstance(layer, CompiledLayer):
        return _compiled(layer, request, tools)
    if isinstance(layer, ApplicationLayer):
        return _application(layer, request, tools)
    if isinstance(layer, FileLayer):
        return _files(layer, request, tools)
    if isinstance(layer, CommandLayer):
        raise StepError(_REASONS["commands"])
    raise TypeError(f"no such layer: {layer!r}")


def _dependencies(layer: DependencyLayer, request: BuildRequest, tools: Tools) -> Layer:
    key: JsonObject = {
        "what": "dependencies",
        "format": [FORMAT, LAYER_FORMAT],
        "runtime": [layer.runtime, layer.runtime_version],
        "locked": encode(layer.locked),
        "base": encode(request.recipe.base),
    }

    def make() -> Layer:
        tools.progress("installing dependencies")
        return _filled("dependencies", request.install, tools)

    return _remembered(key, make, tools, again=request.no_cache)


def _compiled(layer: CompiledLayer, request: BuildRequest, tools: Tools) -> Layer:
    """Remembered under everything that is compiled: the sources, what they need, and the tools that do it."""
    key: JsonObject = {
        "what": "compiled",
        "format": [FORMAT, LAYER_FORMAT],
        "layer": encode(replace(layer, stage=Stage("", ()))),  # how an engine would do it is not how it is done here
        "base": encode(request.recipe.base),
        "platform": str(request.recipe.platform),
        "tree": "" if layer.texts else context_fingerprint(request.context),
    }
    name = layer.stage.name if layer.texts else "compiled"

    def make() -> Layer:
        tools.progress("compiling" if name == "compiled" else f"compiling {name}")
        return _filled(name, lambda root: request.compile(layer, root), tools)

    return _remembered(key, make, tools, again=request.no_cache)


def _filled(name: str, fill: Callable[[Path], None], tools: Tools) -> Layer:
    """A layer of what ``fill`` puts into an empty folder."""
    with tools.scratch() as folder:
        root = folder / "root"
        root.mkdir()
        fill(root)
        return _write(name, installed_entries(root), tools)


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

    return _remembered(key, make, tools, again=request.no_cache)


def _files(layer: FileLayer, request: BuildRequest, tools: Tools) -> Layer:
    key: JsonObject = {"what": "files", "format": [FORMAT, LAYER_FORMAT], "files": dict(layer.files)}
    return _remembered(key, lambda: _write("files", _file_entries(layer), tools), tools, again=request.no_cache)


def _file_entries(layer: FileLayer) -> list[Entry]:
    return [
        Entry(str(PurePosixPath(path).relative_to("/")), "file", 0o644, data=text.encode()) for path, text in layer.files.items()
    ]


def _write(name: str, entries: Sequence[Entry], tools: Tools) -> Layer:
    with tools.scratch() as folder:
        return write_layer(entries, tools.blobs, folder, name=name, created=FILE_DATE)


def _remembered(key: JsonObject, make: Callable[[], Layer], tools: Tools, *, again: bool) -> Layer:
    """The layer that was made under ``key`` while its blob is there (a memo and a stat), else a new one."""
    name = fingerprint(key)
    known = None if again else _decoded(tools.blobs.memo(name))
    if known is not None and tools.blobs.has(known.blob.digest):
        return known
    layer = make()
    tools.blobs.remember(name, json.dumps(encode(layer)))
    return layer


def _decoded(text: str | None) -> Layer | None:
    try:
        return decode(Layer, json.loads(text)) if text is not None else None
    except ValueError:  # written by a version that described layers otherwise
        return None


@hookimpl
def aac_register_builders() -> Sequence[Builder]:
    """The one that needs nothing."""
    return (EmbeddedBuilder(),)
