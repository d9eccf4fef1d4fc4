"""The file of a pipeline in its repository."""

from __future__ import annotations

import difflib
from pathlib import Path

from aac_tasks.errors import StepError, UsageError


def repository_of(root: Path) -> Path:
    """The top of the repository that holds the state root; without one the root itself."""
    return next((place for place in (root, *root.parents) if (place / ".git").exists()), root)


def read(file: Path) -> str | None:
    """Its text, None when it is not there; UsageError when it can't be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror or error}") from error


def write(file: Path, text: str) -> None:
    """Make it and its folder; StepError when that can't be."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StepError(f"{file} can't be written: {error.strerror or error}", hint="make the folder writable") from error


def difference(name: str, before: str | None, text: str) -> str:
    """What a patch would have to say to make the file what would be written."""
    old, new = (before or "").splitlines(keepends=True), text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, name, "what would be written")).rstrip("\n")
