"""What a builder with an engine can do beside building: know images, check a Dockerfile, lend a toolchain's commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aac_tasks.contracts.roles import Builder, Runtime

if TYPE_CHECKING:
    from aac_tasks.contracts.image import StoredImage
    from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies
    from aac_tasks.contracts.recipe import Instruction, Recipe
    from aac_tasks.contracts.result import Artifact
    from aac_tasks.contracts.roles import BaseImage
    from aac_tasks.contracts.tools import Tools
    from aac_tasks.errors import StepError


class EngineBuilder(Builder, Protocol):
    """A builder whose engine is to know the images too, so that its own commands find them by name."""

    def load(self, image: StoredImage, name: str, tools: Tools) -> Artifact:
        """Let the engine have ``image`` under ``name``: an artifact of type ``loaded`` with what it says afterwards."""
        ...

    def holds(self, artifact: Artifact, tools: Tools) -> str:
        """What is wrong with such an artifact, "" when the engine has it: one inspect by name, within 200 ms."""
        ...


@dataclass(frozen=True)
class KeptImage:
    """A name (or an id, where there is no name) under which an engine has an image, and the containers made of it."""

    name: str
    users: tuple[str, ...] = ()


@runtime_checkable
class Keeping(Protocol):
    """A runner whose engine keeps the images that it was given."""

    @property
    def name(self) -> str:
        """As the runner's."""
        ...

    def kept(self, images: Sequence[StoredImage], names: Sequence[str], tools: Tools) -> tuple[KeptImage, ...]:
        """Those of ``names`` (digests among them) under which it has one of ``images``; none when there is no engine."""
        ...

    def forget(self, name: str, tools: Tools, *, force: bool) -> None:
        """Take it away there; StepError when the engine refuses. ``force``: although a container was made of it."""
        ...


@dataclass(frozen=True)
class Remark:
    """What a checker says about a Dockerfile, at a line of it (0: at none). ``wrong``: no build can succeed."""

    text: str
    line: int = 0
    wrong: bool = False


@dataclass(frozen=True)
class Checked:
    """``how`` says what was looked at, and by whom."""

    how: str
    remarks: tuple[Remark, ...] = ()


class CheckingBuilder(Builder, Protocol):
    """A builder whose engine can say what it thinks of a Dockerfile without building it."""

    def check(self, recipe: Recipe, dockerfile: str, tools: Tools) -> Checked:
        """The author's own Dockerfile where the recipe has one, else ``dockerfile``, the rendered one."""
        ...


@dataclass(frozen=True)
class Errand:
    """Instructions that an engine carries out in an image, for what their commands say and make: ``paths`` of it are taken out.

    ``what`` is what messages call it; ``fetch_base`` brings the image. ``settings`` as `SettingsRuntime` has them.
    """

    what: str
    image: LockedBase
    instructions: tuple[Instruction, ...]
    paths: tuple[str, ...]
    fetch_base: Callable[[LockedBase], BaseImage]
    settings: Mapping[str, str] = field(default_factory=dict)


class ErrandBuilder(Builder, Protocol):
    """A builder whose engine can be sent on an errand."""

    def errand(self, errand: Errand, into: Path, tools: Tools) -> str:
        """Do it anew, whatever the engine remembers; the paths come below ``into``. All that its commands said, line by line.

        Raises:
            StepError: with the ``command`` that failed and its last lines, or why none could be run.
        """
        ...


class ToolchainImage(Protocol):
    """The image that an engine compiles in, lent while something is locked on a host that lacks the tools."""

    @property
    def locked(self) -> LockedBase:
        """What it is."""
        ...

    def other(self, request: BaseRequest) -> ToolchainImage:
        """Another image for the same platform: for what is asked when something is locked, and for no build."""
        ...

    def run(
        self, instructions: Sequence[Instruction], paths: Sequence[str], into: Path, refused: Callable[[str], StepError]
    ) -> str:
        """As `ErrandBuilder.errand`; ``refused`` makes the error out of the last lines of a command that failed."""
        ...


class Fetcher(Runtime, Protocol):
    """A runtime whose locked files may be lent to an engine: it knows the credentials of their servers."""

    def fetch(self, locked: LockedDependencies, tools: Tools) -> None:
        """Bring every locked file into the blob store, verified; what is there is not fetched again."""
        ...


class SettingsRuntime(Runtime, Protocol):
    """A runtime whose tools have settings of the user's: where things come from, and what opens the door there."""

    def settings(self, tools: Tools) -> Mapping[str, str]:
        """Files for the commands of its build stages: absolute path → text. An engine lends them as secrets: they are in no layer
        and no key, for where a thing came from changes nothing about it.
        """
        ...


class LentRuntime(Runtime, Protocol):
    """A runtime that can lock with the tools of a toolchain image."""

    @property
    def lends(self) -> tuple[str, ...]:
        """Which ones, as its plans need them (``tool:NAME``)."""
        ...

    def resolve_in(self, request: DependencyRequest, image: ToolchainImage, tools: Tools) -> LockedDependencies:
        """As `Runtime.resolve`, with the same answer as the same tools on the host would give."""
        ...
