"""Which agent is in which folder: lets a run that names its agents leave all others unread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import seal, unseal


@dataclass(frozen=True)
class Place:
    """Where an agent is: its folder, and the folders that its steps read, all relative to the state root ("" is the root)."""

    folder: str
    roots: tuple[str, ...] = ()


def read_index(path: Path) -> dict[str, Place]:
    """Agents by name as a run over all of them last saw them; each is to be checked where it is said to be."""
    try:
        value = unseal(path.read_bytes())
    except (OSError, ValueError):
        return {}
    rows = value if isinstance(value, dict) else {}
    return {name: Place(folder, tuple(roots)) for name, (folder, roots) in rows.items()}


def write_index(path: Path, places: Mapping[str, Place]) -> None:
    """Keep it, when it changed."""
    data = seal({name: [place.folder, list(place.roots)] for name, place in places.items()})
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
