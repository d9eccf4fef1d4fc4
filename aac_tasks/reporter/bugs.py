"""A bug of ours is told as one: what it was, where its traceback is, and that it should be reported."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.steps.redaction import redact_keys

EXIT = 2


@dataclass(frozen=True)
class Bug:
    """``text`` for people, ``trace`` for whoever mends it, ``log`` where that is kept (None: nowhere)."""

    text: str
    trace: str
    log: Path | None


def keep_bug(folder: Path, error: BaseException) -> Bug:
    """Write the traceback to the nearest state folder above ``folder``, else among temporary files."""
    trace = redact_keys("".join(traceback.format_exception(error)))
    log = _write_log(folder, trace)
    kind = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = f"; the traceback is in {log}" if log else ""
    return Bug(f"this is a bug in agent, not in your project: {kind}{where}; please report it", trace, log)


def _write_log(folder: Path, trace: str) -> Path | None:
    name = f"bug-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    states = [parent / ".aac" for parent in (folder, *folder.parents) if (parent / ".aac").is_dir()]
    for place in [*(state / "logs" for state in states[:1]), Path(tempfile.gettempdir())]:
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(trace, encoding="utf-8")
            return place / name
    return None
