"""Which folders hold an agent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aac_tasks.state.watch import describe

MANIFESTS = ("agent.yaml", "agent.yml", "Agent.yaml", "Agent.yml")
"""Names that an agent's file may have; two of them in one folder are refused."""

PRUNED = frozenset({"node_modules", "target", "venv", "__pycache__", "dist", "build"})
"""Folders that are not looked into, beside hidden ones."""


def discover(start: Path, seen: dict[str, str]) -> Iterator[Path]:
    """Folders with an agent, from ``start`` down. ``seen`` gets the identity of every folder that was listed."""
    for folder, names, files in os.walk(start):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in PRUNED)
        seen[folder] = describe(os.stat(folder))  # noqa: PTH116
        if any(m in files for m in MANIFESTS):
            yield Path(folder)


def manifests(folder: Path) -> list[str]:
    """The agent files of a folder, empty when there is none or it can't be read."""
    try:
        names = set(os.listdir(folder))  # noqa: PTH208  # case matters, and a stat would not tell on macOS
    except OSError:
        return []
    return [m for m in MANIFESTS if m in names]
