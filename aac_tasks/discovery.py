"""Which folders hold an agent, and what planning may know of one: of the disk, and of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.plan import Facts
from aac_tasks.state.lock_file import read_lock
from aac_tasks.state.watch import describe

if TYPE_CHECKING:
    from aac_tasks.contracts.roles import Follower, Runtime
    from aac_tasks.contracts.spec import AgentSpec

MANIFESTS = ("agent.yaml", "agent.yml", "Agent.yaml", "Agent.yml")
"""Names that an agent's file may have; two of them in one folder are refused."""

PRUNED = frozenset({"node_modules", "target", "venv", "__pycache__", "dist", "build"})
"""Folders that are not looked into, beside hidden ones."""

TEXT_SUFFIXES = (
    ".txt", ".toml", ".lock", ".cfg", ".json", ".xml", ".mod", ".sum", ".in", ".yaml", ".npmrc", ".gradle", ".kts",
    ".properties", "Dockerfile", "Containerfile", ".dockerfile",
)  # fmt: skip
"""Ends of names that a runtime wants to read; of other names it wants to know only whether they are there."""


@dataclass(frozen=True)
class Choices:
    """What the command line and settings say that planning must know. ``registry`` is for agents that name none."""

    profile: str = ""
    platforms: tuple[str, ...] = ()
    builder: str = ""
    created: int = 0
    registry: str = ""
    all_tags: bool = False
    members: tuple[str, ...] = ()

    @cached_property
    def name(self) -> str:
        """A short name for these choices."""
        return fingerprint(encode(self))[:16]


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


def is_wildcard(word: str) -> bool:
    """Whether a word stands for every name that fits it."""
    return not {"*", "?", "["}.isdisjoint(word)


def relative(path: Path, root: Path) -> str:
    """``path`` seen from ``root``, "" for itself."""
    text, above = str(path), f"{root}/"
    if text.startswith(above) and "/.." not in text:  # nearly always, and a tenth of the work
        return text[len(above) :]
    found = os.path.relpath(path, root)
    return "" if found == "." else Path(found).as_posix()


def known_of(runtime: Runtime, spec: AgentSpec, context: Path, lock: Path) -> tuple[tuple[str, ...], Facts]:
    """The files of a build context that a runtime asks for, then those that it finds named in them, and so on; their content."""
    wants = runtime.wants(spec)
    facts = _facts_of(context, wants, lock)
    if not hasattr(runtime, "follows"):
        return wants, facts
    while more := tuple(n for n in _present(context, cast("Follower", runtime).follows(spec, facts)) if n not in wants):
        wants = (*wants, *dict.fromkeys(more))
        facts = _facts_of(context, wants, lock)
    return wants, facts


def _present(folder: Path, names: tuple[str, ...]) -> Iterator[str]:
    """The names, and in place of a pattern those of the files that it matches."""
    for name in names:
        found = glob(name, root_dir=folder, recursive=True) if has_magic(name) else [name]  # noqa: PTH207  # never a ValueError
        yield from sorted(found)


def _facts_of(folder: Path, wants: tuple[str, ...], lock: Path) -> Facts:
    """What a runtime asked for, in a build context."""
    texts: dict[str, str | None] = {}
    exists = frozenset(w for w in wants if os.path.isfile(os.path.join(folder, w)))  # noqa: PTH113, PTH118  # thousands
    for name in wants:
        if name.endswith(TEXT_SUFFIXES):
            texts[name] = (folder / name).read_text(encoding="utf-8") if name in exists else None
    return Facts(folder, texts, exists, read_lock(lock))
