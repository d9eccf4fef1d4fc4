"""Places for the instances that come next, made ahead by runners that can (`Preparing`)."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.running import Changes, Preparing, Runner
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.instances import FOLDER, STATE, Start, run_request
from aac_tasks.steps.reloading import Known, NotFilesError, changes_between, learn


@dataclass(frozen=True)
class _Made:
    """A place, empty where its maker refused, and what it was made for. ``used``: somebody was started in it."""

    maker: Preparing
    runner: str
    request: Start
    place: JsonObject
    used: bool = False

    def fits(self, request: Start, runner: Runner) -> bool:
        """Whether it is for instances like that."""
        return (self.runner, self.request.instance) == (runner.name, request.instance)


class Places:
    """At most one for each of the ``names`` of instances. Nobody depends on them: without one, a start takes longer."""

    def __init__(self, names: tuple[str, ...], known: Known) -> None:
        self._names = names
        self._known = known
        self._made: dict[str, _Made] = {}

    def taken(self, request: Start, runner: Runner, tools: Tools, archive: Path) -> Start:
        """The same, in what was made for exactly such an instance, where anything was.

        ``archive`` is where to write the files in which its image differs from that of the place, where nothing but files does.
        """
        made = self._made.get(request.instance.name)
        if made is None or not made.fits(request, runner):
            return request
        self._made[request.instance.name] = replace(made, used=True)
        changes = self._changes(made.request, request, tools, archive) if made.place and not made.used else None
        return replace(request, place=made.place, changes=changes)

    def _changes(self, was: Start, now: Start, tools: Tools, archive: Path) -> Changes | None:
        """None where more than files is another, or some are gone: what stands by can be given files, and no more."""
        if was.env != now.env:
            return None
        covered = [mount.target for mount in now.instance.mounts]
        try:
            changes = changes_between(was.image, now.image, tools.blobs, archive, covered, self._known)
        except (NotFilesError, StepError, OSError):
            return None
        return None if changes.gone else changes

    def make(self, request: Start, runner: Runner, tools: Tools) -> None:
        """Have one for such an instance and image. Nothing happens where the runner can't."""
        name = request.instance.name
        made = self._made.get(name)
        if not isinstance(runner, Preparing):
            return
        if made and made.fits(request, runner) and not (made.place and (made.used or made.request.image != request.image)):
            return
        if not self._made:
            self._remove(runner, self._names, tools)  # those of a session that was killed
        before = made.place if made and made.fits(request, runner) else {}
        refused = self._made[name] = _Made(runner, runner.name, request, {})
        with contextlib.suppress(StepError, NotFilesError, OSError):
            asked = run_request(replace(request, place=before), _folder(name, tools))
            asked.log.parent.mkdir(parents=True, exist_ok=True)
            place = runner.prepare(asked, tools)
            self._made[name] = replace(refused, place=place)
            learn(request.image, tools.blobs, self._known)

    def give_up(self, tools: Tools) -> None:
        """Remove them all."""
        while self._made:
            name, made = self._made.popitem()
            self._remove(made.maker, (name,), tools)  # who was interrupted may have half of one

    def _remove(self, maker: Preparing, names: tuple[str, ...], tools: Tools) -> None:
        for name in names:
            with contextlib.suppress(StepError):  # what made it is gone, and it with that
                maker.give_up(_folder(name, tools) / STATE, tools)
            shutil.rmtree(_folder(name, tools), ignore_errors=True)


def _folder(name: str, tools: Tools) -> Path:
    return tools.state / FOLDER / f"{name}.place"
