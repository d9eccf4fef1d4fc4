"""Small JSON files with secrets in them, or beside them: mode 0600, whole or not at all, what others wrote is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from aac_tasks.errors import StepError


def read_private(path: Path) -> dict[str, object]:
    """The object in the file, empty when there is none; StepError, which quotes nothing, when it can't be read."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise StepError(
            f"{path}: credentials can't be read: {reason}",
            hint="correct the file, or move it away and log in again with agent login",
        ) from None  # what json quotes may be a secret
    return value if isinstance(value, dict) else {}


def write_private(path: Path, value: Mapping[str, object]) -> None:
    """Write it with mode 0600 under a temporary name and rename; a link is followed, not replaced."""
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(json.dumps(value, indent="\t", ensure_ascii=False) + "\n")  # as Docker writes it
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StepError(f"{path} can't be written: {error.strerror or error}", hint="make the folder writable") from error
