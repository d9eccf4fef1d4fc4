"""doit's reporter interface, told to ours. Our steps tell their own story through session events; what doit knows and
the session does not (skipped steps, the user's own tasks) is translated here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from doit.exceptions import BaseFail, InvalidCommand, TaskFailed, UnmetDependency

from aac_tasks.contracts.result import Event
from aac_tasks.errors import UsageError
from aac_tasks.state.ignored import told

OTHER_PROCESS = "steps run in threads of one process: use `doit -n N` or `doit -n N -P thread`, not `-P process`"
"""What a step answers that was sent to another process."""


class BridgeReporter:
    """Made once per `doit run`; doit passes a stream and options that are not needed."""

    desc = "what ran, what was skipped and why"

    def __init__(self, tell: Callable[[Event], None], finish: Callable[[], None]) -> None:
        self._tell = tell
        self._finish = finish
        self._started: dict[str, float] = {}
        self._ignored: set[str] = set()
        self.exit_code = 0

    def initialize(self, tasks: Mapping[str, Any], selected: Sequence[str]) -> None:
        """A selection that matches nothing is an error, not a success (doit itself exits 0)."""
        if not selected:
            raise InvalidCommand(f"nothing is selected; there are {', '.join(sorted(tasks)) or 'no tasks'}")

    def get_status(self, task: Any) -> None:
        """Judged next."""

    def execute_task(self, task: Any) -> None:
        """Steps tell their own start. A user's task has the screen to itself: what it prints would tear a moving line."""
        self._started[task.name] = time.monotonic()

    def add_success(self, task: Any) -> None:
        """Steps tell their own end."""
        if not self._ours(task) and not task.has_subtask:
            self._tell(Event("done", task.name, "", time.monotonic() - self._started.get(task.name, time.monotonic())))

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """A failed step has told it; what depends on it, and the user's own tasks, have not."""
        if isinstance(fail, UnmetDependency):
            fail.__class__ = TaskFailed  # doit counts it as an error of its own (exit 2); it is the failure of a step (exit 1)
            if task.has_subtask:
                return
            self._tell(Event("failed", task.name, f"not run, because {fail.message} failed", data={"unmet": True}))
        elif not self._ours(task) or fail.report:
            if self._ours(task) and fail.message == OTHER_PROCESS:
                self.exit_code = UsageError.exit_code
            self._tell(Event("failed", task.name, str(fail.get_msg()).strip()))

    def skip_uptodate(self, task: Any) -> None:
        """The judge's reason is the text of the step's `uptodate`."""
        if not task.has_subtask:
            self._tell(Event("fresh", task.name, str(task.uptodate[0][0]) if self._ours(task) else "up to date"))

    def skip_ignore(self, task: Any) -> None:
        """`doit ignore` said so, of it or of what it needs; a group has nothing of its own to say."""
        because = next((need for need in task.task_dep if need in self._ignored), "")
        self._ignored.add(task.name)
        if not task.has_subtask:
            self._tell(Event("fresh", task.name, told(task.name, because)))

    def teardown_task(self, task: Any) -> None:
        """Nothing to say."""

    def cleanup_error(self, exception: BaseFail) -> None:
        """A teardown of the user's own failed."""
        self._tell(Event("note", text=str(exception.get_msg()).strip()))

    def runtime_error(self, msg: str) -> None:
        """doit itself failed."""
        self._tell(Event("failed", text=msg))

    def complete_run(self) -> None:
        """The end of the run.

        Raises:
            SystemExit: it must end with another exit code than doit's.
        """
        self._finish()
        if self.exit_code:
            raise SystemExit(self.exit_code)

    @staticmethod
    def _ours(task: Any) -> bool:
        return bool(task.meta) and "agent" in task.meta
