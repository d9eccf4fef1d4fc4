"""``agent.lock``: JSON with sorted keys and one value a line, so that a review can read what moved."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.lock import Lock
from aac_tasks.errors import Problem, SpecError
from aac_tasks.state.root import write_atomically

NAME = "agent.lock"


def read_lock(path: Path) -> Lock | None:
    """The lock, None when there is none.

    Raises:
        SpecError: it is not one of ours, or from a newer version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        version, lock = _parsed(text)
        if lock is None:
            raise _refusal(path, f"it has format {version}, this version knows 1; upgrade aac-tasks")
        return lock
    except ValueError as error:
        if "\n<<<<<<<" in f"\n{text}":
            line = f"\n{text}"[: f"\n{text}".index("\n<<<<<<<")].count("\n") + 1
            raise _refusal(path, "an unfinished merge: take either side of it, then run `agent lock`", line) from error
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        raise _refusal(path, f"it can't be read ({error}); restore it, or remove it and run `agent lock`", line) from error


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[int, Lock | None]:
    """Its format, and the lock when we know that; agents that ask the same have the same text."""
    value = json.loads(text)
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > 1:
        return version, None
    return 1, decode(Lock, value)


def write_lock(path: Path, lock: Lock, tmp: Path) -> None:
    """Write it, under a name in ``tmp`` until it is whole; the same lock gives the same bytes."""
    text = json.dumps({"version": 1, **_object(lock)}, indent=2, sort_keys=True, ensure_ascii=False)
    write_atomically(path, f"{text}\n".encode(), tmp)


def _object(lock: Lock) -> dict[str, object]:
    value = encode(lock)
    return dict(value) if isinstance(value, dict) else {}


def _refusal(path: Path, message: str, line: int = 0) -> SpecError:
    return SpecError((Problem(path.name, line, 1 if line else 0, "", message),))
