"""The exception tree; each class knows its exit code.

::

    AacError
     ├── SpecError    exit 3   the agent.yaml is not what it should be: every problem at once
     ├── UsageError   exit 3   an unknown flag, command, step, or a setting that can't be
     ├── PluginError  exit 3   a plugin is broken, missing or stands twice
     ├── PlanError    exit 3   a cycle, or two agents of one name
     └── StepError    exit 1   something failed while it was being done
          ├── DemandError       exit 3: what was asked for, by a flag or agent.yaml, is not to be had here
          ├── LostError         what an earlier step made is gone, and can be made again
          └── ProgramError      exit 126 or 127, as of a shell: an agent lacks a program that was to run beside it

Anything else that escapes is a bug of ours: exit 2.
Messages are lower case, without a full stop: where, what, what would be accepted, what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class AacError(Exception):
    """Root of everything raised on purpose."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong (or odd) in a file the user wrote.

    ``line`` and ``column`` count from 1; 0 means the whole file.
    ``severity`` is ``error``, ``warning``, or ``build-error`` (a warning for ``validate``,
    an error as soon as an image is asked for).
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    severity: str = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = f"{place} {self.path}".rstrip()
        return f"{where}: {self.message}"


class SpecError(AacError):
    """One or more problems in agent.yaml files; carries all of them, in file order."""

    exit_code = 3

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))


class UsageError(AacError):
    """The command line or a setting asks for something that does not exist."""

    exit_code = 3


class PluginError(AacError):
    """Names the plugin, the hook and the remedy."""

    exit_code = 3


class PlanError(AacError):
    """The steps can't be put in order: a cycle, or one name used twice."""

    exit_code = 3


class StepError(AacError):
    """What failed, on what, and what to do next; ``tail`` holds the last lines of a tool's output, redacted; ``command`` is the
    command of the recipe that failed, where it was one; ``places`` tell what is wrong by spec path (``spec.tests[1]``).
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        tail: str = "",
        hint: str = "",
        command: tuple[str, ...] = (),
        places: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message
        self.tail = tail
        self.hint = hint
        self.command = command
        self.places = dict(places or {})
        parts = [message]
        if tail:
            parts.append("\n".join(f"  | {line}" for line in tail.splitlines()))
        if hint:
            parts.append(f"  → {hint}")
        super().__init__("\n".join(parts))


class DemandError(StepError):
    """A flag or agent.yaml asks for what can't be had here: a GPU, a network, a capability."""

    exit_code = 3


class LostError(StepError):
    """A blob that an earlier step made can be had from nowhere: who may, does that step again."""


class ProgramError(StepError):
    """A program that can't be run in an agent: it is not there, or not to be executed; `exec` has the exit code of a shell."""

    MISSING, DENIED = 127, 126

    def __init__(self, message: str, code: int = MISSING) -> None:
        super().__init__(message)
        self.exit_code = code
