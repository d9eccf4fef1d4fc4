"""Step test: start the built image, wait until it is well, run every check, stop it; keep JUnit and its log."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.contracts.actions import Check, TestAction
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.result import Result
from aac_tasks.contracts.roles import Runner, RunRequest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.checks import Subject, run_check
from aac_tasks.steps.environment import secrets_of
from aac_tasks.steps.health import Watch, wait_until_well
from aac_tasks.steps.redaction import redact_keys

FOLDER = "test"


@dataclass(frozen=True)
class Outcome:
    """One check: its failures (none: passed), or None when nothing here can run its type; ``seconds`` it took."""

    check: Check
    failures: tuple[str, ...] | None
    seconds: float


def run_tests(
    action: TestAction,
    image: StoredImage,
    config: ImageConfig,
    runner: Runner,
    env: Mapping[str, str],
    tools: Tools,
) -> Result:
    """Run all checks, whatever the first says.

    Raises:
        StepError: the agent did not become healthy, or a check failed; nothing is left running.
    """
    folder = tools.state / FOLDER
    log = folder / "agent.log"
    _prepare(folder, log)
    secrets = secrets_of(action.instance, env)
    request = RunRequest(image, config, action.instance, env, folder / "instance", log)
    tools.progress(f"starting with {runner.name}")
    instance = runner.start(request, tools)
    try:
        watch = Watch(runner, instance, action.instance.probe, log, action.timeout, secrets)
        waited = wait_until_well(watch, tools)
        outcomes = [_checked(check, Subject(image, config, runner, instance, tools)) for check in action.checks]
        tail = watch.tail()
    finally:
        runner.stop(instance, tools, grace=5.0)
        _redact_file(log, secrets)
    report = folder / "junit.xml"
    report.write_bytes(_junit(image, outcomes, secrets))
    return _verdict(outcomes, tail, secrets, Kept(waited, report, log), tools)


@dataclass(frozen=True)
class Kept:
    """What a run left: how long the agent took to become healthy, and where to read on."""

    waited: float
    report: Path
    log: Path


def _prepare(folder: Path, log: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instance").mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    log.touch()


def _checked(check: Check, subject: Subject) -> Outcome:
    subject.tools.progress(f"check {check.name}")
    started = subject.tools.now()
    failures = run_check(check, subject)
    return Outcome(check, failures, subject.tools.now() - started)


def _verdict(outcomes: list[Outcome], tail: str, secrets: tuple[str, ...], kept: Kept, tools: Tools) -> Result:
    failed = [o for o in outcomes if o.failures]
    if failed:
        lines = [redact_keys(f"{o.check.name}: {f}", secrets) for o in failed for f in o.failures or ()]
        raise StepError(
            f"{len(failed)} of {len(outcomes)} checks failed\n" + "\n".join(f"  ✗ {line}" for line in lines),
            tail=tail,
            hint=f"report {_shown(kept.report, tools)}, log {_shown(kept.log, tools)}",
        )
    for outcome in outcomes:
        if outcome.failures is None:
            tools.note(f"check {outcome.check.name}: type {outcome.check.type} has no effect yet, it was not run")
    ran = sum(o.failures is not None for o in outcomes)
    outputs: dict[str, Json] = {"passed": ran, "healthy_after": round(kept.waited, 3), "report": _shown(kept.report, tools)}
    return Result(outputs)


def _shown(path: Path, tools: Tools) -> str:
    return path.relative_to(tools.root).as_posix() if path.is_relative_to(tools.root) else str(path)


def _redact_file(log: Path, secrets: tuple[str, ...]) -> None:
    """The kept log must not hold what the agent should not have said."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    clean = redact_keys(text, secrets)
    if clean != text:
        log.write_text(clean, encoding="utf-8")


def _junit(image: StoredImage, outcomes: list[Outcome], secrets: tuple[str, ...]) -> bytes:
    """The JUnit format that CI systems read (https://github.com/testmoapp/junitxml)."""
    failed = sum(bool(o.failures) for o in outcomes)
    skipped = sum(o.failures is None for o in outcomes)
    suite = ElementTree.Element(
        "testsuite", name=image.manifest.digest, tests=str(len(outcomes)), failures=str(failed), skipped=str(skipped)
    )
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", name=outcome.check.name, classname=outcome.check.type, time=f"{outcome.seconds:.3f}"
        )
        if outcome.failures is None:
            ElementTree.SubElement(case, "skipped", message="this type has no effect yet")
        for failure in outcome.failures or ():
            ElementTree.SubElement(case, "failure", message=redact_keys(_printable(failure), secrets))
    data: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return data


def _printable(text: str) -> str:
    """XML 1.0 has no control characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
