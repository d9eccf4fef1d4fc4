"""Step test: start the image, wait until it is well, run every check, stop it whatever happened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aac_tasks.catalog import Table
from aac_tasks.contracts.actions import Check, TestAction
from aac_tasks.contracts.canonical import Json, fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.result import Result
from aac_tasks.contracts.roles import Instance, Runner, RunRequest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.checks import CHECKS, Outcome, Subject, run_check
from aac_tasks.steps.environment import secrets_of
from aac_tasks.steps.health import Watch, tail_of, wait_until_well
from aac_tasks.steps.instances import refuse_root
from aac_tasks.steps.junit import junit
from aac_tasks.steps.neighbours import addresses_of, start_in_turn, urls_of
from aac_tasks.steps.redaction import redact_keys

FOLDER = "test"
SERVICES = "services"
"""Below it, a folder for each agent and image that is started beside."""

RECORD = "running.json"
REPORT = "junit.xml"
LOG = "agent.log"
REPORTS = (f"{FOLDER}/{REPORT}", f"{FOLDER}/{LOG}")
"""What a test leaves for people, below the agent's state folder."""

GRACE = 2.0
"""Seconds that an agent gets to end after its test: nobody waits for what it would still save."""

WELL = Check("becomes well", "health")
"""The first case of every report: the agent starts and its health check answers."""


@dataclass(frozen=True)
class Beside:
    """Why something is started beside the agent under test. ``name`` is an agent's, or AGENT.SERVICE of an ``image``; ``what`` is
    how messages begin, ``place`` where the agent.yaml under test asks for it.
    """

    name: str
    what: str
    place: str
    image: bool = False


@dataclass(frozen=True)
class Bench:
    """Everything one test run is about. ``folder`` receives report and log. ``others`` are what it needs, who is needed first:
    they are started before it, and it is told where they are. ``beside`` is None of the agent under test.
    """

    action: TestAction
    image: StoredImage
    config: ImageConfig
    runner: Runner
    env: Mapping[str, str]
    folder: Path
    others: tuple[Bench, ...] = ()
    beside: Beside | None = None

    @property
    def every(self) -> tuple[Bench, ...]:
        """Those, and it."""
        return (*self.others, self)

    @property
    def log(self) -> Path:
        """What the agent wrote."""
        return self.folder / LOG

    @property
    def report(self) -> Path:
        """JUnit's XML."""
        return self.folder / REPORT

    @property
    def record(self) -> Path:
        """Says that an instance is under test; see `end_left_over`."""
        return self.folder / RECORD

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not be shown or kept."""
        return tuple(value for one in self.every for value in secrets_of(one.action.instance, one.env))


def run_tests(bench: Bench, tools: Tools) -> Result:
    """Outputs: ``passed`` (how many checks) and ``report`` (a fingerprint of what was checked, without times).

    Report and log are written below the agent's state folder, secrets taken out.

    Raises:
        StepError: the agent does not start, ends, or never becomes well, or a check fails. All checks are done
            before; those that need a running agent count as failed when there is none.
    """
    for one in bench.every:
        one.folder.mkdir(parents=True, exist_ok=True)
        for file in (one.log, one.report):
            file.unlink(missing_ok=True)
    begun = tools.now()
    try:
        outcomes, failure = _run(bench, tools)
    finally:
        for one in bench.every:
            _redact_file(one.log, bench.secrets)
    bench.report.write_text(junit(bench.action.instance.name, outcomes), encoding="utf-8")
    _raise_for(bench, outcomes, failure)
    return _passed(bench, outcomes, tools.now() - begun, tools)


def _passed(bench: Bench, outcomes: Sequence[Outcome], seconds: float, tools: Tools) -> Result:
    for outcome in outcomes:
        if outcome.skipped:
            tools.note(f"check {outcome.check.name}: type {outcome.check.type} has no effect yet, it was not run")
    names = _names(outcomes)
    note = f"{len(names)} check{'s' if len(names) > 1 else ''} passed in {seconds:.1f} s ({bench.runner.name})"
    return Result(outputs={"passed": len(names), "report": fingerprint(names)}, notes=(note,))


def _names(outcomes: Sequence[Outcome]) -> list[Json]:
    """What was checked."""
    return [[o.check.type, o.check.name] for o in outcomes if not o.skipped]


def report_again(action: TestAction, result: Result, tools: Tools) -> None:
    """The report of a test that did not run because its result was known: a known result is that everything passed."""
    folder = tools.state / FOLDER
    outcomes = [Outcome(WELL), *(Outcome(check, skipped=check.type not in CHECKS) for check in action.checks)]
    (folder / REPORT).unlink(missing_ok=True)
    if result.outputs.get("report") != fingerprint(_names(outcomes)):
        tools.note("the known result tells of other checks than there are, so there is no JUnit report")
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT).write_text(junit(action.instance.name, outcomes, known=True), encoding="utf-8")


def end_left_over(folder: Path, runners: Table[Runner], tools: Tools) -> None:
    """End the instance of a test that was killed, whichever runner had started it; ``folder`` is the agent's state folder.

    Needed even where the test need not run again: its result may be known from before.
    """
    top = folder / FOLDER
    for record in (top / RECORD, *top.glob(f"{SERVICES}/*/{RECORD}")):
        try:
            left = decode(Instance, json.loads(record.read_bytes()))
        except FileNotFoundError:
            continue
        except ValueError:  # torn: killed before anything was started
            left = None
        if left is not None and left.runner in runners:
            runners.get(left.runner).stop(left, tools, grace=GRACE)
        record.unlink(missing_ok=True)


def _run(bench: Bench, tools: Tools) -> tuple[list[Outcome], StepError | None]:
    begun = tools.now()
    running: list[Instance] = []
    failure: StepError | None = None
    try:
        try:
            _start_all(bench, running, tools)
        except StepError as error:
            failure = error
        well = Outcome(WELL, failure.message if failure else "", tools.now() - begun)
        subject = Subject(bench.image, bench.config, bench.runner, None if failure else running[-1])
        outcomes = [well, *(run_check(check, subject, tools) for check in bench.action.checks)]
        return [replace(o, problem=redact_keys(o.problem, bench.secrets)) for o in outcomes], failure
    finally:
        for instance in reversed(running):
            bench.runner.stop(instance, tools, grace=GRACE)
        for one in bench.every:
            one.record.unlink(missing_ok=True)


def _start_all(bench: Bench, running: list[Instance], tools: Tools) -> None:
    """Start what it needs, each once the one before is well, and then it; ``running`` gets what was started."""
    places: dict[str, Instance] = {}
    for one in bench.every:
        try:
            running.append(_start(replace(one, env=_told(one, places)), running, tools))
            wait_until_well(_watch(one, running[-1], bench.secrets), tools)
        except StepError as error:
            if one.beside is not None and not error.places:
                what = f"{one.beside.what}: {error.message}"
                raise StepError(what, tail=error.tail, hint=error.hint, places={one.beside.place: what}) from error
            raise
        if one.beside is not None:
            places[one.beside.name] = running[-1]


def _told(bench: Bench, places: Mapping[str, Instance]) -> dict[str, str]:
    """Its environment. What a test started for it alone is what it is to use, whatever its environment says of other times."""
    action = bench.action
    urls = urls_of(action.services, {name: instance.url_inside for name, instance in places.items()})
    images = {service: places[f"{action.instance.name}.{service}"] for service in action.images}
    return {**urls, **bench.env, **addresses_of(images)}


def _watch(bench: Bench, instance: Instance, secrets: tuple[str, ...]) -> Watch:
    service = bench.beside.place if bench.beside is not None and bench.beside.image else ""
    return Watch(bench.runner, instance, bench.action.instance.probe, bench.log, secrets, bench.action.timeout, service=service)


def _start(bench: Bench, running: Sequence[Instance], tools: Tools) -> Instance:
    refuse_root(bench.action.instance.isolation, bench.config)
    state = bench.folder / "instance"
    state.mkdir(exist_ok=True)
    about = Instance(bench.runner.name, bench.action.instance.name, bench.image.manifest.digest, handle={"state": str(state)})
    bench.record.write_text(json.dumps(encode(about)))
    request = RunRequest(
        image=bench.image,
        config=bench.config,
        instance=bench.action.instance,
        env=bench.env,
        state=state,
        log=bench.log,
    )
    if bench.beside is not None and bench.beside.image and bench.action.runner.get("isolation") != "engine":
        own = any(request.instance.ports[0].container in one.ports.values() for one in running)  # then no waiting helps
        return start_in_turn(request, bench.runner, 0.0 if own else bench.action.timeout, tools)
    return bench.runner.start(request, tools)


def _raise_for(bench: Bench, outcomes: Sequence[Outcome], failure: StepError | None) -> None:
    bad = [outcome for outcome in outcomes if outcome.problem]
    where = f"report: {bench.report}, log: {bench.log}"
    if failure is not None:
        others = [o for o in bad[1:] if o.check.type == "structure"]
        more = "".join(f"\n  {o.check.name}: {o.problem}" for o in others)
        message = redact_keys(failure.message, bench.secrets)
        hint = "; ".join(filter(None, (failure.hint, f"report: {bench.report}")))
        raise StepError(f"{message}{more}", tail=failure.tail, hint=hint, places=failure.places or _places(bench, outcomes))
    if bad:
        lines = "".join(f"\n  {o.check.name}: {o.problem}" for o in bad)
        count = f"{len(bad)} of {len(outcomes)} checks failed"
        tail = tail_of(bench.log, bench.secrets, 10)
        what = f"{bench.action.instance.name}: {count}{lines}"
        raise StepError(what, tail=tail, hint=where, places=_places(bench, outcomes))


def _places(bench: Bench, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """What failed, by where agent.yaml asks for it; what only failed because the agent is not well is left out."""
    well, *others = outcomes
    if well.problem:
        return {"spec.healthCheck": well.problem} if bench.action.instance.probe else {"spec.entrypoint": well.problem}
    return {f"spec.tests[{i}]": f"{o.check.name}: {o.problem}" for i, o in enumerate(others) if o.problem}


def _redact_file(log: Path, secrets: tuple[str, ...]) -> None:
    """An agent may print what it was given; what stays on disk must not hold it."""
    try:
        text = log.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return
    log.write_bytes(redact_keys(text, secrets).encode("utf-8", "surrogateescape"))
