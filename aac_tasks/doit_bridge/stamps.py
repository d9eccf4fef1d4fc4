"""What `doit forget` and `doit reset-dep` do to steps, through a session."""

from __future__ import annotations

from aac_tasks.session import Session
from aac_tasks.upkeep import accept, forget


class SessionStamps:
    """The `Stamps` of the state backend."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def is_step(self, task_id: str) -> bool:
        """``kind:agent`` of the present plan."""
        return any(s.id == task_id for s in self._session.plan().steps)

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
