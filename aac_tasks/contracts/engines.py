"""What a builder with an engine can do beside building: know images, check a Dockerfile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aac_tasks.contracts.roles import Builder

if TYPE_CHECKING:
    from aac_tasks.contracts.image import StoredImage
    from aac_tasks.contracts.recipe import Recipe
    from aac_tasks.contracts.result import Artifact
    from aac_tasks.contracts.tools import Tools


class EngineBuilder(Builder, Protocol):
    """A builder whose engine is to know the images too, so that its own commands find them by name."""

    def load(self, image: StoredImage, name: str, tools: Tools) -> Artifact:
        """Let the engine have ``image`` under ``name``: an artifact of type ``loaded`` with what it says afterwards."""
        ...

    def holds(self, artifact: Artifact, tools: Tools) -> str:
        """What is wrong with such an artifact, "" when the engine has it: one inspect by name, within 200 ms."""
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
