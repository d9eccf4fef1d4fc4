"""doit's state backend, standard library only. Of our steps it keeps nothing: `forget` and `reset-dep` are passed to
their stamps. Of the user's own tasks it keeps what doit wants, in one JSON file that survives kill -9, two runs at once
(last writers merge task by task) and damage (a torn file is as good as none).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TYPE_CHECKING = False  # typing alone would be a tenth of what a `doit` without work may take
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object


class Stamps(Protocol):
    """What `forget` and `reset-dep` mean for steps."""

    def is_step(self, task_id: str) -> bool:
        """Whether that task is a step of ours."""
        ...

    def forget(self, task_id: str) -> None:
        """Delete its stamp."""
        ...

    def accept(self, task_id: str) -> None:
        """Take its outputs as made from the present inputs."""
        ...

    def forget_all(self) -> None:
        """Delete every stamp."""
        ...


class StampDB:
    """The interface of doit's `JsonDB`. ``stamps`` and ``running`` are set by the door that opened the session."""

    desc = "stamps for steps, one JSON file for the user's own tasks"
    stamps: Stamps | None = None
    settled: frozenset[str] = frozenset()
    """Steps and groups that stats have vouched for in this run: nothing is saved of them."""
    running = False
    """True while `doit run` is at work: then a removal means "it failed", and failed steps have dealt with their stamps."""

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None) -> None:
        self.name = name
        self._path = Path(name)
        self._db = self._load()
        self._dirty: set[str] = set()

    def get(self, task_id: str, dependency: str) -> Any:
        """A saved value, None when there is none."""
        return self._db.get(task_id, {}).get(dependency)

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        """Save a value of a user's task; of a step only `ignore:` is kept."""
        if task_id in StampDB.settled:
            return
        if self._is_step(task_id) and dependency != "ignore:":
            if dependency == "deps:" and not StampDB.running and StampDB.stamps:
                StampDB.stamps.accept(task_id)  # `doit reset-dep`
            return
        self._db.setdefault(task_id, {})[dependency] = value
        self._dirty.add(task_id)

    def in_(self, task_id: str) -> bool:
        """Whether anything is saved."""
        return task_id in self._db

    def remove(self, task_id: str) -> None:
        """`doit forget TASK`, or a failure."""
        if self._is_step(task_id) and not StampDB.running and StampDB.stamps:
            StampDB.stamps.forget(task_id)
        self._db.pop(task_id, None)
        self._dirty.add(task_id)

    def remove_all(self) -> None:
        """`doit forget --all`."""
        if StampDB.stamps:
            StampDB.stamps.forget_all()
        self._dirty.update(self._db)
        self._db = {}

    def dump(self) -> None:
        """Write what changed, task by task, over what other runs wrote meanwhile."""
        if not self._dirty:
            return
        from aac_tasks.errors import StepError  # lazy, all three: most runs have nothing to write
        from aac_tasks.state.root import write_atomically
        from aac_tasks.state.stamps import exclusively

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with exclusively(self._path.parent):
                write_atomically(self._path, json.dumps(self._merged(), sort_keys=True).encode())
        except (OSError, StepError) as error:  # doit would show a traceback, and all steps have their stamps
            sys.stderr.write(f"note: what doit remembers of tasks of your own is not kept: {error}\n")
        self._dirty.clear()

    def _merged(self) -> dict[str, dict[str, Any]]:
        merged = self._load()
        for task_id in self._dirty:
            if task_id in self._db:
                merged[task_id] = self._db[task_id]
            else:
                merged.pop(task_id, None)
        return merged

    def _load(self) -> dict[str, dict[str, Any]]:
        try:
            value = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    @staticmethod
    def _is_step(task_id: str) -> bool:
        return StampDB.stamps is not None and StampDB.stamps.is_step(task_id)
