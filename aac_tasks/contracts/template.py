"""A project that `agent init` can start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """``files`` maps relative paths to texts; ``{name}`` in a text becomes the agent's name."""

    name: str
    summary: str
    files: Mapping[str, str]
