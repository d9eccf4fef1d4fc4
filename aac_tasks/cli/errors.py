"""The one funnel: whatever a command raises becomes a text, perhaps a JSON document, and an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from aac_tasks.cli.interrupts import Terminated
from aac_tasks.cli.world import World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import AacError, SpecError, StepError
from aac_tasks.reporter.terminal import Lines, paint, wants_colour
from aac_tasks.reporter.wording import plain
from aac_tasks.steps.redaction import redact_keys

BUG = 2
INTERRUPTED, READER_WENT_AWAY, TERMINATED = 130, 141, 143
"""128 + the signal's number, as a shell reports it."""


def guard(world: World, words: list[str], command: Callable[[], int]) -> int:
    """Run a command; the exit code, whatever happens."""
    as_json = "--json" in words
    try:
        return command()
    except AacError as error:
        _tell(world, _document(error), str(error), as_json)
        return error.exit_code
    except KeyboardInterrupt as error:
        code, word = (TERMINATED, "terminated") if isinstance(error, Terminated) else (INTERRUPTED, "interrupted")
        _tell(world, {"type": word.capitalize(), "message": word, "exit": code}, word, as_json)
        return code
    except BrokenPipeError:
        _close_quietly(world)
        return READER_WENT_AWAY
    except Exception as error:  # the last line of defence: a bug of ours is told as one
        return _bug(world, words, error)


def _bug(world: World, words: list[str], error: Exception) -> int:
    import traceback  # lazy, as tempfile below: only for a bug

    trace = redact_keys(traceback.format_exc())
    log = _write_log(world.folder, trace)
    kind = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = f"; the traceback is in {log}" if log else ""
    text = f"this is a bug in agent, not in your project: {kind}{where}; please report it"
    facts: JsonObject = {"type": type(error).__name__, "message": text, "exit": BUG, "log": str(log or "")}
    _tell(world, facts, text, "--json" in words)
    if {"-v", "--verbose"} & set(words) or not log:
        Lines(world.err).write(trace.rstrip())
    return BUG


def _document(error: AacError) -> JsonObject:
    facts: dict[str, object] = {
        "type": type(error).__name__,
        "message": str(error),
        "exit": error.exit_code,
    }
    if isinstance(error, SpecError):
        facts["problems"] = [dict(vars(problem)) for problem in error.problems]
    if isinstance(error, StepError):
        facts |= {"message": error.message, "tail": error.tail, "hint": error.hint}
    return facts  # type: ignore[return-value]  # texts, numbers and lists of them


def _tell(world: World, facts: JsonObject, text: str, as_json: bool) -> None:
    if as_json:
        Lines(world.out).write(redact_keys(json.dumps({"error": facts}, indent=2, ensure_ascii=False)))
        return
    first, *rest = plain(redact_keys(text)).splitlines() or [""]
    Lines(world.err).write("\n".join([paint("error:", "red", wants_colour(world.err, world.environment)) + f" {first}", *rest]))


def _write_log(folder: Path, trace: str) -> Path | None:
    """Keep a traceback: in the nearest state folder, else among temporary files; None when that can't be."""
    import tempfile

    name = f"bug-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    states = [parent / ".aac" for parent in (folder, *folder.parents) if (parent / ".aac").is_dir()]
    for place in [*(state / "logs" for state in states[:1]), Path(tempfile.gettempdir())]:
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(trace, encoding="utf-8")
            return place / name
    return None


def _close_quietly(world: World) -> None:
    """Else the interpreter tries to flush the broken stream at exit and complains."""
    with contextlib.suppress(OSError, ValueError):
        world.out.close()
