"""The one funnel: whatever a command raises becomes a text, perhaps a JSON document, and an exit code."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

from aac_tasks.cli.world import World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import AacError, SpecError, StepError
from aac_tasks.reporter.terminal import Lines, paint, wants_annotations, wants_colour
from aac_tasks.reporter.wording import plain
from aac_tasks.state.root import find_root, of_the_machine
from aac_tasks.steps.interrupts import Terminated
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
        _annotate(world, error)
        return error.exit_code
    except KeyboardInterrupt as error:
        code, facts = interruption(error)
        _tell(world, facts, str(facts["message"]), as_json)
        return code
    except BrokenPipeError:
        _close_quietly(world)
        return READER_WENT_AWAY
    except OSError as error:
        told = of_the_machine(error)
        if told is None:
            return _bug(world, words, error)
        _tell(world, _document(told), str(told), as_json)
        return told.exit_code
    except Exception as error:  # the last line of defence: a bug of ours is told as one
        return _bug(world, words, error)


def interruption(error: KeyboardInterrupt) -> tuple[int, JsonObject]:
    """The exit code of a run that a signal ended, and what a document says of it."""
    code, word = (TERMINATED, "terminated") if isinstance(error, Terminated) else (INTERRUPTED, "interrupted")
    return code, {"type": word.capitalize(), "message": str(error) or word, "exit": code}


def _bug(world: World, words: list[str], error: Exception) -> int:
    from aac_tasks.reporter.bugs import keep_bug  # lazy: only when there is one

    bug = keep_bug(world.folder, error)
    facts: JsonObject = {"type": type(error).__name__, "message": bug.text, "exit": BUG, "log": str(bug.log or "")}
    _tell(world, facts, bug.text, "--json" in words)
    if {"-v", "--verbose"} & set(words) or not bug.log:
        Lines(world.err).write(bug.trace.rstrip())
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


def told(world: World, error: AacError) -> None:
    """Say an error and go on, in a command that outlives it."""
    _tell(world, {}, str(error), as_json=False)


def _annotate(world: World, error: AacError) -> None:
    if not wants_annotations(world.environment):
        return
    from aac_tasks.reporter.annotations import Mark, annotate, of_problems  # lazy: only in CI

    known = of_problems(error.problems, find_root(world.folder)) if isinstance(error, SpecError) else None
    annotate(known or (Mark("agent", redact_keys(str(error))),), Lines(world.err), world.environment)


def _tell(world: World, facts: JsonObject, text: str, as_json: bool) -> None:
    if as_json:
        Lines(world.out).write(redact_keys(json.dumps({"error": facts}, indent=2, ensure_ascii=False)))
        return
    first, *rest = plain(redact_keys(text)).splitlines() or [""]
    Lines(world.err).write("\n".join([paint("error:", "red", wants_colour(world.err, world.environment)) + f" {first}", *rest]))


def _close_quietly(world: World) -> None:
    """Else the interpreter tries to flush the broken stream at exit and complains."""
    with contextlib.suppress(OSError, ValueError):
        world.out.close()
