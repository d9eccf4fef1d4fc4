"""Places for the instances that come next, made ahead by runners that can (`Preparing`)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.running import Preparing, Runner
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.instances import FOLDER, STATE, Start, run_request


@dataclass(frozen=True)
class _Made:
    """A place, empty where its maker refused, and which instances it is for."""

    maker: Preparing
    runner: str
    spec: InstanceSpec
    place: JsonObject


class Places:
    """At most one for each of the ``names`` of instances. Nobody depends on them: without one, a start takes longer."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._made: dict[str, _Made] = {}

    def of(self, runner: Runner, spec: InstanceSpec) -> JsonObject:
        """What was made for exactly such an instance; empty when nothing was."""
        made = self._made.get(spec.name)
        return made.place if made and (made.runner, made.spec) == (runner.name, spec) else {}

    def make(self, request: Start, runner: Runner, tools: Tools) -> None:
        """Have one for such an instance, in place of one for others. Nothing happens where the runner can't."""
        spec = request.instance
        made = self._made.get(spec.name)
        if not isinstance(runner, Preparing) or (made and (made.runner, made.spec) == (runner.name, spec)):
            return
        if not self._made:
            self._remove(runner, self._names, tools)  # those of a session that was killed
        refused = self._made[spec.name] = _Made(runner, runner.name, spec, {})
        with contextlib.suppress(StepError):
            place = runner.prepare(run_request(replace(request, env={}), _folder(spec.name, tools)), tools)
            self._made[spec.name] = replace(refused, place=place)

    def give_up(self, tools: Tools) -> None:
        """Remove them all."""
        while self._made:
            name, made = self._made.popitem()
            self._remove(made.maker, (name,), tools)  # who was interrupted may have half of one

    def _remove(self, maker: Preparing, names: tuple[str, ...], tools: Tools) -> None:
        for name in names:
            with contextlib.suppress(StepError):  # what made it is gone, and it with that
                maker.give_up(_folder(name, tools) / STATE, tools)


def _folder(name: str, tools: Tools) -> Path:
    return tools.state / FOLDER / f"{name}.place"
