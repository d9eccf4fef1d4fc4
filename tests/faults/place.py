"""Where a fault happens, and what surrounds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from aac_tasks.testing import Project

Words: TypeAlias = Mapping[str, str]
"""``@NAME@`` in the project's files → what takes its place."""


@dataclass(frozen=True)
class Place:
    """Where a fault happens: the user's project, and a folder beside it for what the world needs."""

    project: Project
    beside: Path

    @property
    def home(self) -> Path:
        """The user's home."""
        return Path(self.project.env["HOME"])


World: TypeAlias = Callable[[Place], AbstractContextManager[Words]]
