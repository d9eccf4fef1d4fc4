"""What `doit forget` and `doit reset-dep` do to steps, through a session."""

from __future__ import annotations

from functools import cached_property

from aac_tasks.fast import UNKNOWN
from aac_tasks.session import Session
from aac_tasks.upkeep import accept, forget


class SessionStamps:
    """The `Stamps` of the state backend."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def _ids(self) -> frozenset[str]:
        untouched = self._session.untouched
        known = (step.removeprefix(UNKNOWN) for agent in (untouched.agents if untouched else ()) for step in agent.steps)
        return frozenset((*known, *(step.id for step in self._session.plan().steps)))

    def is_step(self, task_id: str) -> bool:
        """``kind:agent`` of the present plan."""
        return task_id in self._ids

    def forget(self, task_id: str) -> None:
        """Delete its stamp, and have the next run not answer from the action cache."""
        forget(self._session, task_id)

    def accept(self, task_id: str) -> None:
        """Key the stamp anew."""
        accept(self._session, task_id)

    def forget_all(self) -> None:
        """Every step of every agent."""
        for step in self._session.plan().steps:
            forget(self._session, step.id)
