"""The local action cache: deep key → results of pure steps, shared by all checkouts of a user.

An entry is believed only when its checksum fits, it says itself which key it is for, and everything it promises is still in the
blob store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.result import Result
from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import read_sealed, seal
from aac_tasks.state.temporaries import NAME as TMP
from aac_tasks.state.temporaries import made

CACHEABLE_ARTIFACTS = frozenset({"blob"})
"""Only what lives in the content-addressed store can be promised to another checkout."""

OF_AN_ENGINE = "loaded"
"""Made again from what is in the store, where the result is taken."""


class ActionCache:
    """Entries in ``actions/ab/<deep key>`` below the user's cache folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "actions"
        self._tmp = folder / TMP

    def get(self, deep: str) -> Result | None:
        """The result of that work, None when unknown or torn."""
        try:
            return _read(self._path(deep))
        except (OSError, ValueError):
            return None

    def results(self) -> Iterator[Result]:
        """Every result that is whole, the newest first."""
        for path in sorted(self._folder.glob("??/*"), key=_age):
            with contextlib.suppress(OSError, ValueError):
                yield _read(path)

    def put(self, deep: str, result: Result) -> None:
        """Keep a result, unless it promises something that only this checkout has."""
        kept = shareable(result)
        if kept is not None:
            path = self._path(deep)
            made(path.parent)
            write_atomically(path, seal({"key": deep, "result": encode(kept)}), self._tmp)

    def delete(self, deep: str) -> None:
        """Forget an entry."""
        self._path(deep).unlink(missing_ok=True)

    def _path(self, deep: str) -> Path:
        return self._folder / deep[:2] / deep


def shareable(result: Result) -> Result | None:
    """The result as another checkout may take it, None when it promises something that only this one has."""
    kept = replace(result, artifacts=tuple(a for a in result.artifacts if a.type != OF_AN_ENGINE))
    return kept if all(a.type in CACHEABLE_ARTIFACTS for a in kept.artifacts) else None


def check(path: Path) -> str:
    """What is wrong with an entry, "" for one that is whole and where it belongs."""
    try:
        _read(path)
    except ValueError as error:
        return str(error)
    return ""


def _read(path: Path) -> Result:
    entry = read_sealed(path)
    if not isinstance(entry, dict) or not {"key", "result"} <= entry.keys():
        raise ValueError("it was written by another version")
    if entry["key"] != path.name:
        raise ValueError("it belongs to another key")
    return decode(Result, entry["result"])


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:  # removed meanwhile
        return 0.0
