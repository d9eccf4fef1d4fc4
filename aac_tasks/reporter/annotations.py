"""Failures where CI services show them: beside the lines of a merge request.

GitHub reads `workflow commands <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>`_ in a
job's output (GITHUB_ACTIONS=true), GitLab a file of `code quality
<https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format>`_ (AAC_CODE_QUALITY names it).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.result import Event
from aac_tasks.errors import Problem
from aac_tasks.reporter.terminal import GITHUB, QUALITY, Lines, truthy
from aac_tasks.reporter.wording import plain

TOPS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Where the services say that the repository is."""


@dataclass(frozen=True)
class Mark:
    """One message at a place; ``line`` 0 is the whole file, ``file`` may be relative to the repository's top."""

    title: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    level: str = "error"


def annotate(marks: Iterable[Mark], err: Lines, environment: Mapping[str, str]) -> None:
    """Hand them to whoever reads them. GitHub's go to standard error: a command's standard output may be data."""
    placed = [Mark(**{**vars(mark), "file": _below_top(mark.file, environment)}) for mark in marks]
    if truthy(environment.get(GITHUB)):
        for mark in placed:
            err.write(workflow_command(mark))
    if environment.get(QUALITY):
        _add(Path(environment[QUALITY]), [quality_issue(mark) for mark in placed])


def of_problems(problems: Iterable[Problem], root: Path) -> Iterator[Mark]:
    """Marks of what is wrong in agent.yaml files below a state root."""
    for p in problems:
        level = "warning" if p.severity == "warning" else "error"
        yield Mark(p.path or "agent.yaml", p.message, str(root / p.file), p.line, p.column, level)


def of_failure(event: Event) -> Iterator[Mark]:
    """Marks of a step that failed: one for each place that is known, else one for its agent.yaml."""
    file, problems = str(event.data.get("file") or ""), event.data.get("problems")
    known = [p for p in problems if isinstance(p, Mapping)] if isinstance(problems, (list, tuple)) else []
    for p in known:
        yield Mark(event.step, str(p["message"]), file, _number(p["line"]), _number(p["column"]))
    if not known:
        yield Mark(event.step, event.text, file)


def workflow_command(mark: Mark) -> str:
    """``::error file=a/agent.yaml,line=3,col=5,title=test%3Aa::message``."""
    places = {"file": mark.file, "line": mark.line, "col": mark.column, "title": mark.title}
    said = ",".join(f"{name}={_property(str(value))}" for name, value in places.items() if value)
    return f"::{mark.level} {said}::{_data(mark.message)}"


def quality_issue(mark: Mark) -> JsonObject:
    """One issue of a code quality report. Its fingerprint does not change when lines above it are added."""
    fingerprint = hashlib.sha256("\0".join((mark.title, mark.file, mark.message)).encode()).hexdigest()
    return {
        "description": plain(mark.message),
        "check_name": mark.title,
        "fingerprint": fingerprint,
        "severity": "major" if mark.level == "error" else "minor",
        "location": {"path": mark.file, "lines": {"begin": mark.line or 1}},
    }


class Inner(Protocol):
    """What a `Reporter` can."""

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        ...

    def close(self, exit_code: int | None = None, *, abandoned: bool = False) -> None:
        """End the telling."""
        ...


class AnnotatingReporter:
    """A reporter that also marks failures; what depends on them is not marked again."""

    def __init__(self, inner: Inner, err: Lines, environment: Mapping[str, str], redact: Callable[[str], str]) -> None:
        self._inner = inner
        self._err = err
        self._environment = environment
        self._redact = redact

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        self._inner(event)
        if event.type == "failed" and not event.data.get("unmet"):
            marks = [Mark(**{**vars(m), "message": self._redact(m.message)}) for m in of_failure(event)]
            annotate(marks, self._err, self._environment)

    def close(self, exit_code: int | None = None, *, abandoned: bool = False) -> None:
        """End the telling; without failures a report says so."""
        annotate((), self._err, self._environment)
        self._inner.close(exit_code, abandoned=abandoned)


def _data(text: str) -> str:
    return re.sub("[%\r\n]", _escape, plain(text).strip())


def _property(text: str) -> str:
    return re.sub("[%\r\n:,]", _escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _below_top(file: str, environment: Mapping[str, str]) -> str:
    top = next((environment[name] for name in TOPS if environment.get(name)), "")
    if file and top and Path(file).is_relative_to(top):
        return Path(file).relative_to(top).as_posix()
    return file


def _add(report: Path, issues: list[JsonObject]) -> None:
    """To those that earlier commands of the job wrote. A report that can't be written breaks no build."""
    before: list[JsonObject] = []
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(report.read_bytes())
    every = {str(issue["fingerprint"]): issue for issue in (*before, *issues)}
    temporary = report.with_name(f".{report.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps(list(every.values()), indent=2) + "\n", encoding="utf-8")
        temporary.replace(report)
