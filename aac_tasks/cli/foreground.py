"""Staying with an agent: its log until it ends, signals passed on to it, its exit code at the end."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

from aac_tasks.cli.log_lines import attend
from aac_tasks.cli.world import World
from aac_tasks.errors import StepError
from aac_tasks.steps.passing_on import handled

if TYPE_CHECKING:
    from aac_tasks.running import Instances

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
GRACE = 10.0
"""Seconds that an agent gets to end after one of them, as `docker stop` gives it; a second one ends it at once."""


class Stay:
    """Signals that came, passed on one by one; ``over`` once the agent has had its time."""

    def __init__(self, instances: Instances, name: str) -> None:
        self._instances = instances
        self._name = name
        self._came: list[int] = []
        self._passed = 0
        self._until = 0.0

    def take(self, number: int) -> None:
        """Called by the interpreter between two instructions: remembers it and no more."""
        self._came.append(number)

    def over(self) -> bool:
        """Pass on what came; whether it is time to end the agent."""
        for number in self._came[self._passed :]:
            self._passed += 1
            with contextlib.suppress(StepError):  # it ended meanwhile
                self._instances.signal(self._name, number)
            if number in ENDING:
                self._until = time.monotonic() + (0.0 if self._until else GRACE)
        return bool(self._until) and time.monotonic() > self._until

    def code(self, known: int | None) -> int:
        """The agent's exit code, or what a shell says of the signal."""
        ended_by = next((number for number in self._came if number in ENDING), 0)
        return known if known is not None else 128 + ended_by if ended_by else 0


def stay(instances: Instances, name: str, world: World, *, interactive: bool) -> int:
    """Until it ends; whatever happens, it does not run afterwards. The agent's exit code."""
    here = Stay(instances, name)
    try:
        with handled(here.take):
            code = instances.attach(name) if interactive else None
            return here.code(attend(instances, name, world, here.over) if code is None else code)
    finally:
        instances.stop(name)
