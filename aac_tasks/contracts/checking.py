"""What is said about a Dockerfile before anything is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aac_tasks.contracts.recipe import Recipe
from aac_tasks.contracts.roles import Builder
from aac_tasks.contracts.tools import Tools


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
