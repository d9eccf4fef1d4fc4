"""Files that commands write where the user says: in an agent's own folder they are none of its image's files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aac_tasks.contracts.canonical import table
from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import read_sealed, seal
from aac_tasks.state.watch import describe

NAME = "saved"
REPORT = "AAC_CODE_QUALITY"
"""The variable that names a report, which every command of a job adds to."""


def written(state: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Path → identity, as long as the file is the very one that was written; "" of the report, which is always written anew."""
    report = environment.get(REPORT)
    return {**_saved(state), **({os.path.realpath(report): ""} if report else {})}


def remember(state: Path, file: Path) -> None:
    """`agent save` has just written it. Those that are no longer what they were are forgotten."""
    known = {path: seen for path, seen in _saved(state).items() if _identity(path) == seen}
    path = os.path.realpath(file)
    write_atomically(state / NAME, seal({**known, path: _identity(path)}))


def _saved(state: Path) -> dict[str, str]:
    try:
        return {path: str(seen) for path, seen in table(read_sealed(state / NAME)).items()}
    except (OSError, ValueError):  # none was saved, or torn
        return {}


def _identity(path: str) -> str:
    try:
        return describe(os.stat(path))  # noqa: PTH116
    except OSError:
        return ""
