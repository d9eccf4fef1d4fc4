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
    """

    name: str
    instructions: tuple[Instruction, ...]
    image: str = ""
    base: LockedBase | None = None


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
    """What the runtime compiles out of the build context, as one layer owned by root.

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


@dataclass(frozen=True)
class ApplicationLayer:
    """The build context's files (after the ignore rules) under ``target``, owned by root, readable by all."""

    kind: ClassVar[str] = "application"
    target: str = APP_DIR


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


RecipeLayer = DependencyLayer | CompiledLayer | ApplicationLayer | FileLayer | CommandLayer


@dataclass(frozen=True)
class Recipe:
    """One image for one platform. ``layers`` go from least to most often changed.

    ``env`` adds to the base's environment (``{name}`` of the base is kept unless named here); values are literal.
    ``user`` is ``uid:gid``. ``labels`` end in the config, ``annotations`` in the manifest.
    ``created`` is the ``SOURCE_DATE_EPOCH`` in seconds: the image's date. Files have a constant one, so that a
    date changes neither layers nor content digest.
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
