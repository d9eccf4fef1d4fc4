"""What came out of a step, and what is told while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aac_tasks.contracts.canonical import Json, JsonObject


@dataclass(frozen=True)
class Artifact:
    """Something in the world that must still be there for a stamp to hold.

    ``type``: ``file`` (path relative to the state root, ``digest`` of its bytes), ``blob`` (``digest``),
    ``tag`` (``name`` in registry plugin ``where`` resolves to ``digest``), ``instance`` (``data`` is the runner's
    handle) or ``loaded`` (image ``name`` has id ``digest`` in the engine at ``where``: its address as ``DOCKER_HOST`` has it,
    or ``file:PATH``, a file that is written whenever one of its images changes).
    """

    type: Literal["file", "blob", "tag", "instance", "loaded"]
    name: str = ""
    digest: str = ""
    where: str = ""
    size: int = 0
    data: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """``outputs`` are what downstream keys may consume; ``artifacts`` what must still exist; ``notes`` lines for people."""

    outputs: Mapping[str, Json] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The judge's answer. ``reason`` is one line: what changed, or since when it is up to date."""

    fresh: bool
    reason: str
    key: str = ""
    deep: str = ""


EventType = Literal["plan", "start", "progress", "output", "fresh", "cached", "done", "failed", "note", "summary"]


@dataclass(frozen=True)
class Event:
    """One thing to tell. ``seconds`` is how long a step took; ``data`` is for machines (JSON lines)."""

    type: EventType
    step: str = ""
    text: str = ""
    seconds: float = 0.0
    data: JsonObject = field(default_factory=dict)
