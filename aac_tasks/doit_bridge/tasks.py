"""Steps as doit tasks: one task per step, one action, `uptodate` asks the judge. No file_dep, getargs or targets-as-state."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any

from doit.exceptions import TaskFailed

from aac_tasks.contracts.plan import STEP_KINDS, AgentPlan, Plan
from aac_tasks.contracts.result import Event
from aac_tasks.doit_bridge.reporter import OTHER_PROCESS
from aac_tasks.errors import AacError, StepError
from aac_tasks.failing import failure
from aac_tasks.session import Session
from aac_tasks.upkeep import clean

GROUP_DOCS = {
    "parse": "check every agent.yaml",
    "lock": "pin bases and dependencies",
    "dockerfile": "render Dockerfiles",
    "image": "build images",
    "test": "start images and run their checks",
    "push": "push images",
    "deploy": "make targets run the images",
}

TaskDict = dict[str, Any]  # doit's own shape of a task


class StepKey:
    """doit's `uptodate` for one step. Its text is the judge's reason, which is what `doit info` prints."""

    __signature__ = inspect.Signature()  # doit asks `inspect` for it before every step, which would work it out each time

    def __init__(self, session: Session, step_id: str) -> None:
        self._session = session
        self._step_id = step_id
        self._reason = "not judged yet"
        self.was_fresh = False

    def __call__(self) -> bool:
        try:
            verdict = self._session.judge(self._step_id)
        except Exception as error:  # doit would show a traceback; the step asks again and tells it as it should be
            self._reason = str(error)
            return False
        self._reason, self.was_fresh = verdict.reason, verdict.fresh
        return verdict.fresh

    def __str__(self) -> str:
        return self._reason

    __repr__ = __str__


class StepAction:
    """doit's action for one step; whatever it raises becomes doit's own failure, so that dependents are not run.

    What is not a StepError is also kept in ``session.broken``, for the door to end with its exit code.
    """

    __signature__ = inspect.Signature()  # as above

    def __init__(self, session: Session, step_id: str, key: StepKey | None = None) -> None:
        self._session = session
        self._step_id = self._at = step_id
        self._key = key
        self._process = os.getpid()
        self.__name__ = step_id

    def __call__(self) -> bool | TaskFailed:
        if os.getpid() != self._process:
            return TaskFailed(OTHER_PROCESS)
        try:
            self._run()
        except StepError as error:
            if self._session.cancelled.is_set():  # no failure of the step: the door says what happened
                return TaskFailed(str(error), report=False)
            self._session.tell(failure(self._session, self._at, error))
            return TaskFailed(str(error), report=False)
        except Exception as error:  # doit would make one text of ours, of bugs and of tracebacks
            self._session.broken.append(error)
            if isinstance(error, AacError):
                self._session.tell(Event("failed", self._at, str(error)))
            return TaskFailed(str(error), report=False)
        return True

    def __repr__(self) -> str:
        return self._step_id

    def _run(self) -> None:
        """Whoever is asked to run although it is up to date is to run always (``doit -a``)."""
        self._session.run_step(self._step_id, anew=self._key is not None and self._key.was_fresh)


class LateAction(StepAction):
    """An action that first sees to what its step needs, because doit was not told of it."""

    def _run(self) -> None:
        self._see_to(self._step_id)

    def _see_to(self, step_id: str) -> None:
        for need in self._session.step(step_id).needs:
            self._see_to(need)
        self._at = step_id  # what fails is this one, not whoever needs it
        verdict = self._session.judge(step_id)
        if not verdict.fresh:
            self._session.run_step(step_id)
        elif step_id == self._step_id:
            self._session.tell(Event("fresh", step_id, verdict.reason))


class CleanAction:
    """What `doit clean` does for one step: removes what the step left."""

    def __init__(self, session: Session, step_id: str) -> None:
        self._session = session
        self._step_id = step_id

    def __call__(self, dryrun: bool) -> None:
        for line in clean(self._session, self._step_id, dry_run=dryrun):
            print(f"{self._step_id} - {line}")  # noqa: T201  # doit writes what a clean action prints

    def __str__(self) -> str:
        """doit shows it without the first character."""
        return f"<clean {self._step_id}"


def tasks_of(session: Session, plan: Plan) -> Iterator[TaskDict]:
    """doit's task dictionaries: a group per step kind, a member per agent."""
    kinds = [*STEP_KINDS, *sorted({s.kind for s in plan.steps} - set(STEP_KINDS))]
    for kind in kinds:
        yield {"basename": kind, "name": None, "doc": GROUP_DOCS.get(kind, kind)}
        for agent in plan.agents:
            step = agent.step(kind)
            if step is not None:
                yield _task(session, agent, kind) if agent.agent not in plan.needed else _alone(_task(session, agent, kind))


def _task(session: Session, agent: AgentPlan, kind: str) -> TaskDict:
    step = agent.step(kind)
    assert step is not None  # noqa: S101  # the caller looked
    key = StepKey(session, step.id)
    return {
        "basename": kind,
        "name": agent.agent,
        "doc": step.doc,
        "actions": [StepAction(session, step.id, key)],
        "uptodate": [key],
        "task_dep": list(step.needs),
        "clean": [CleanAction(session, step.id)],
        "io": {"capture": False},  # under threads, doit's capture would mix the output of steps
        "meta": {"agent": agent.agent, "file": agent.file, "folder": agent.folder or "."},
        "verbosity": 2,
    }


def _alone(task: TaskDict) -> TaskDict:
    """The same, in no group: it is there for others, and nobody who says KIND means it."""
    return {**{key: value for key, value in task.items() if key != "name"}, "basename": f"{task['basename']}:{task['name']}"}


def translated(make: Callable[[], Iterator[TaskDict]], refusal: type[Exception]) -> Iterator[TaskDict]:
    """The tasks, with our errors said as doit says its own: one message, no traceback, exit code 3."""
    try:
        yield from list(make())
    except AacError as error:
        raise refusal(str(error)) from error
