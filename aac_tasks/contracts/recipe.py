"""A typed description of an image. A Dockerfile and an OCI image are two renderings of one recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from aac_tasks.contracts.image import HealthProbe, Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies

APP_UID = 10001
"""The user and group every image runs as unless ``security.runAsUser`` says otherwise."""

APP_DIR = "/app"
"""Where the application's files are, and the working directory."""


@dataclass(frozen=True)
class Add:
    """Fetch ``url`` to ``target`` in a build stage; the build fails unless it hashes to ``sha256``.

    ``mode`` is for files that the image gets as they are; 0 leaves the engine's own, 0600.
    """

    kind: ClassVar[str] = "add"
    url: str
    sha256: str
    target: str
    mode: int = 0


@dataclass(frozen=True)
class Write:
    """Put a small text file at ``target`` of a build stage."""

    kind: ClassVar[str] = "write"
    target: str
    text: str


@dataclass(frozen=True)
class Run:
    """Run a program in a build stage: exec form, never a shell. ``cache`` lists folders kept between builds."""

    kind: ClassVar[str] = "run"
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cache: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """Copy the build context's files (after the ignore rules) to ``target`` of a build stage."""

    kind: ClassVar[str] = "context"
    target: str


Instruction = Add | Write | Run | Context


@dataclass(frozen=True)
class Stage:
    """A build stage: starts from ``base``, else from ``image`` (a name), else from the recipe's base; does its instructions
    in order.

    ``made`` says where a layer's path is in the stage (image → stage) when it is not the same: a tool may choose its place.
    """

    name: str
    instructions: tuple[Instruction, ...]
    image: str = ""
    base: LockedBase | None = None
    made: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DependencyLayer:
    """What the runtime installs from the lock, as one layer owned by root.

    The embedded builder asks the runtime named ``runtime`` to install ``locked`` into an empty folder that
    becomes the image's root for this layer; a Dockerfile runs ``stage`` and copies each of ``paths`` out of it.
    """

    kind: ClassVar[str] = "dependencies"
    runtime: str
    runtime_version: str
    locked: LockedDependencies
    paths: tuple[str, ...]
    stage: Stage


@dataclass(frozen=True)
class CompiledLayer:
    """What the runtime compiles out of the build context, as one layer owned by root; or, where there are ``texts`` (path →
    text), out of those alone: a program of ours that an edit of the context does not touch.

    The embedded builder asks the runtime named ``runtime`` to compile into an empty folder that becomes the image's root
    for this layer; a builder with an engine runs ``stage`` and takes each of ``paths`` out of it. ``settings`` are the
    runtime's own (which package, which name), part of the key.
    """

    kind: ClassVar[str] = "compiled"
    runtime: str
    runtime_version: str
    locked: LockedDependencies
    paths: tuple[str, ...]
    stage: Stage
    settings: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ApplicationLayer:
    """The build context's files (after the ignore rules) under ``target``, owned by root, readable by all.

    ``only`` holds relative paths of files and folders; empty means all of the context.
    """

    kind: ClassVar[str] = "application"
    target: str = APP_DIR
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileLayer:
    """Small files that the build itself writes: absolute path → text, mode 0644, owned by root."""

    kind: ClassVar[str] = "files"
    files: Mapping[str, str]


@dataclass(frozen=True)
class CommandLayer:
    """Commands run in the image being built; only builders with an engine can do this."""

    kind: ClassVar[str] = "commands"
    commands: tuple[Run, ...]


@dataclass(frozen=True)
class Copy:
    """``COPY`` of files and folders of the build context (relative; ``.`` is all of it, ``*`` and ``?`` as in a shell).

    ``target`` is relative to the image's working directory; one that ends in ``/`` is a folder. ``owner`` is ``USER:GROUP``,
    names or numbers, empty for root's; ``mode`` octal, empty for what the file has.
    """

    sources: tuple[str, ...]
    target: str
    owner: str = ""
    mode: str = ""


@dataclass(frozen=True)
class DockerfileLayers:
    """All that the author's own Dockerfile makes; only builders with an engine can do this. It says its own FROM.

    ``text`` is the file's, ``file`` its name for messages. ``target`` is the stage to take (empty: the last), ``args`` are
    build arguments. Where it ends by copying files, ``copies`` says which, ``rest`` is the text without those instructions, and
    ``reads`` names all that the rest reads of the build context: another way to build the same, for who can.
    """

    kind: ClassVar[str] = "dockerfile"
    text: str
    file: str = "Dockerfile"
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    copies: tuple[Copy, ...] = ()
    rest: str = ""
    reads: tuple[str, ...] = ()


RecipeLayer = DependencyLayer | CompiledLayer | ApplicationLayer | FileLayer | CommandLayer | DockerfileLayers


@dataclass(frozen=True)
class BuildSecret:
    """A secret that commands of a build may read, as the file ``target`` (empty: ``/run/secrets/NAME``), never in a layer.

    ``reference`` says where its value is looked up when an engine builds (``env:TOKEN``); no key holds the value.
    """

    name: str
    reference: str
    target: str = ""


def follows_context(layer: RecipeLayer) -> bool:
    """Whether an edited file of the build context can make it another: such layers come last."""
    return isinstance(layer, ApplicationLayer) or (isinstance(layer, CompiledLayer) and not layer.texts)


@dataclass(frozen=True)
class Recipe:
    """One image for one platform. ``layers`` go from least to most often changed.

    ``env`` adds to the base's environment (``{name}`` of the base is kept unless named here); values are literal.
    ``user`` is ``uid:gid``. ``labels`` end in the config, ``annotations`` in the manifest.
    ``created`` is the ``SOURCE_DATE_EPOCH`` in seconds: the image's date. Files have a constant one, so that a
    date changes neither layers nor content digest. ``secrets`` and ``ssh`` (the user's agent) are lent to its commands.
    """

    name: str
    platform: Platform
    base: LockedBase
    layers: tuple[RecipeLayer, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = f"{APP_UID}:{APP_UID}"
    workdir: str = APP_DIR
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    probe: HealthProbe | None = None
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: int = 0
    secrets: tuple[BuildSecret, ...] = ()
    ssh: bool = False
