"""doit's reporter for a plain `doit` that stats have answered: says so, and imports nothing until there is more to tell."""

from __future__ import annotations

import sys
from collections.abc import Callable

TYPE_CHECKING = False  # typing alone would be a tenth of what such a run may take
if TYPE_CHECKING:
    from typing import Any

    from aac_tasks.doit_bridge.reporter import BridgeReporter


class UnchangedReporter:
    """Keeps silent about ``steps``, which are up to date; what the user's own tasks do goes to the full reporter."""

    desc = "what ran, what was skipped and why"

    def __init__(self, said: str, steps: frozenset[str], make: Callable[[], BridgeReporter]) -> None:
        self._said = said
        self._steps = steps
        self._make = make
        self._full: BridgeReporter | None = None

    def initialize(self, tasks: Any, selected: Any) -> None:
        """The first thing that doit says."""
        if selected:
            sys.stdout.write(self._said)
        else:
            self._other().initialize(tasks, selected)

    def get_status(self, task: Any) -> None:
        """Judged next."""

    def execute_task(self, task: Any) -> None:
        """A group of steps, or a task of the user's."""
        if not self._ours(task):
            self._other().execute_task(task)

    def add_success(self, task: Any) -> None:
        """A group of steps, or a task of the user's."""
        if not self._ours(task):
            self._other().add_success(task)

    def skip_uptodate(self, task: Any) -> None:
        """A step, or a task of the user's."""
        if not self._ours(task):
            self._other().skip_uptodate(task)

    def teardown_task(self, task: Any) -> None:
        """Nothing to say."""

    def complete_run(self) -> None:
        """The end of the run."""
        if self._full is not None:
            self._full.complete_run()

    def __getattr__(self, name: str) -> Any:
        """Everything else (a failure, an ignored task) is told in full."""
        return getattr(self._other(), name)

    def _ours(self, task: Any) -> bool:
        return task.name in self._steps

    def _other(self) -> BridgeReporter:
        if self._full is None:
            self._full = self._make()
        return self._full
