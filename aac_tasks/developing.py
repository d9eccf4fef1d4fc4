"""One agent while somebody works on it: what was built last takes over once it is well, and what served until then ends.

Where only files changed, and the runner can, the instance that serves gets them and its agent starts anew in it. Otherwise it
is replaced. Each of its tcp ports is a `Front` that stays where it is, so that instances come and go behind it. Where a runner
has no network of its own and the agent does not look at ``PORT``, nothing can run beside it: it is then replaced in place, and
started again when the new one does not become well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from aac_tasks.contracts.actions import InstanceSpec, PortMapping
from aac_tasks.contracts.running import Changes, Reloading
from aac_tasks.errors import AacError, StepError
from aac_tasks.plan.overrides import Overrides, overridden
from aac_tasks.running import Instances
from aac_tasks.serving import MovedError, Serving, Wanted, serve
from aac_tasks.session import Session
from aac_tasks.steps.built import image_here
from aac_tasks.steps.http.fronts import Fronts
from aac_tasks.steps.instances import Running, Start, kept, reload, status, stop
from aac_tasks.steps.places import Places
from aac_tasks.steps.reloading import Known, NotFilesError, changes_between, refuse_others

_IN_USE = re.compile(r"address (already )?in use|EADDRINUSE", re.IGNORECASE)

NOT_FOUND = 127

GRACE = 2.0
"""Seconds that an instance gets to end: somebody waits for the next one."""


@dataclass(frozen=True)
class Turn:
    """How it came that another image serves: ``files`` changed in the instance, or it is another one, and ``why``."""

    files: int = 0
    seconds: float = 0.0
    why: str = ""


class Development:
    """``serving`` is None until something served. ``tell`` gets what a person should know. After each `renew`, `settle`.

    ``keeper`` ends what was started: rounds may be cancelled, and what they started has to end all the same.
    """

    def __init__(self, agent: str, said: Overrides, keeper: Session, tell: Callable[[str], None]) -> None:
        self.agent = agent
        self.serving: Serving | None = None
        self._keeper = keeper
        self._names = (f"{agent}-dev", f"{agent}-dev-2")
        self._said = said
        self._tell = tell
        self._fronts = Fronts(tell)
        self._known: Known = {}
        self._places = Places(self._names, self._known)
        self._leaving: Running | None = None
        self._in_place = False

    def clear(self) -> None:
        """End what an earlier development left that was killed."""
        for running in list(kept(self._keeper.state.agent(self.agent))):
            if running.instance.name in self._names:
                self._stop(running)

    def renew(self, session: Session) -> Turn | None:
        """Let what was built last serve; None when that is what serves already. What served before it ends with `settle`.

        Raises:
            StepError: it can't be started, or is not well: what served before still does, or does again.
        """
        self._let_go()
        outputs = session.image(self.agent)
        if outputs is None:
            raise StepError(f"{self.agent} has no image", hint=f"`agent build {self.agent}` says why")
        instances = Instances(session)
        asked = overridden(instances.instance_spec(self.agent), self._said)
        tools = session.hands.tools("", self.agent)
        wanted = Wanted(self.agent, session, image_here(outputs), asked, instances.values(self.agent, asked, tools))
        old = self.serving
        if old is None:
            self._replace(wanted)
            return Turn()
        ended = self.ended()
        if not ended and (old.wanted.image, old.wanted.asked) == (wanted.image, asked):
            return None
        runner = session.hands.runner
        if not isinstance(runner, Reloading) or runner.name != old.running.instance.runner:
            self._replace(wanted)
            return Turn()
        try:
            if ended:
                raise NotFilesError("it had ended")
            with tools.scratch() as folder:
                return self._reload(old, wanted, self._changes(old.wanted, wanted, folder / "changes.tar"), runner)
        except NotFilesError as why:
            self._replace(wanted)
            return Turn(why=str(why))

    def _changes(self, was: Wanted, now: Wanted, archive: Path) -> Changes:
        """What leads from the one to the other; NotFilesError where it has to be replaced."""
        refuse_others(was.asked, now.asked)
        if was.values != now.values:
            raise NotFilesError("values of its environment changed")
        covered = [mount.target for mount in now.asked.mounts]
        try:
            return changes_between(was.image, now.image, now.tools.blobs, archive, covered, self._known)
        except (StepError, OSError) as error:
            raise NotFilesError(f"they can't be compared: {error}".partition("\n")[0]) from error

    def _reload(self, old: Serving, wanted: Wanted, changes: Changes, runner: Reloading) -> Turn:
        tools = wanted.tools
        began, told = tools.now(), old.running.log.stat().st_size
        self._fronts.lead_nowhere()  # who asks now waits until it is there again
        try:
            running = reload(old.running, wanted.request(old.running.spec), changes, runner, tools)
        except StepError as error:
            if wanted.session.cancelled.is_set():
                raise
            self._replace_in_place(wanted)
            return Turn(why=f"reloading failed: {error.message}")
        self.serving = Serving(running, wanted, old.secrets)
        try:
            self.serving.wait(told)
        except StepError as error:
            self._end_serving()
            self._bring_back(old, wanted, error)
        self._fronts.lead_to(running.instance)
        return Turn(len(changes.changed) + len(changes.gone), tools.now() - began)

    def _replace(self, wanted: Wanted) -> None:
        old = self.serving
        if not self._may_stand_behind(wanted):
            self._replace_in_place(wanted)
            return
        self._fronts.listen(wanted.asked.ports)
        try:
            new = self._start(wanted)
        except MovedError:
            if old is not None:  # it looks at PORT, as it served so until now
                raise
            self.close()
            self._replace_in_place(wanted)
            self._in_place = True
            self._tell(f"{self.agent} does not take another port (PORT), so it is stopped before the next one starts")
            return
        self._fronts.lead_to(new.running.instance)
        self._leaving = old.running if old else None
        self.serving = new

    def settle(self) -> None:
        """What nobody waits for: the end of what served until now, and a place for what will serve next."""
        self._let_go()
        serving = self.serving
        if serving is not None and self._fronts.url:  # else the next one has this one's ports
            wanted = serving.wanted
            self._places.make(wanted.request(self._next(wanted)), wanted.runner, wanted.tools)

    @property
    def url(self) -> str:
        """Where it answers, "" where it has no port."""
        return self._fronts.url or (self.serving.running.instance.url if self.serving else "")

    def ended(self) -> str:
        """How what should serve ended by itself, "" while it runs, or while nobody can tell."""
        if self.serving is None:
            return ""
        running, session = self.serving.running, self.serving.wanted.session
        try:
            now = status(running, session.catalog.runners, session.hands.tools("", self.agent))
        except AacError:
            return ""
        code = "" if now.exit_code is None else f" with exit code {now.exit_code}"
        return "" if now.state == "running" else f"{self.agent} ended{code}"

    def close(self) -> None:
        """Nothing runs and no port is taken afterwards."""
        try:
            self._let_go()
        finally:
            self._end()

    def _end(self) -> None:
        try:
            self._end_serving()
        finally:
            self._fronts.close()
            self._places.give_up(self._keeper.hands.tools("", self.agent))

    # -- in place, or beside it ---------------------------------------------------------------------------------

    def _may_stand_behind(self, wanted: Wanted) -> bool:
        """Whether every port can be a front: with the host's network only one port moves."""
        ports = wanted.asked.ports
        moves = wanted.session.hands.runner_choice.isolation == "engine" or len(ports) < 2
        return moves and not self._in_place and all(port.protocol == "tcp" for port in ports)

    def _replace_in_place(self, wanted: Wanted) -> None:
        old = self.serving
        self._end_serving()
        try:
            self.serving = self._start(wanted)
        except StepError as error:
            if old is None:
                raise
            self._bring_back(old, wanted, error)
        self._fronts.lead_to(self.serving.running.instance)

    def _bring_back(self, old: Serving, wanted: Wanted, error: StepError) -> NoReturn:
        """Start what served before, and say what was wrong with what was to take over."""
        if wanted.session.cancelled.is_set():
            raise error
        self.serving = self._start(replace(old.wanted, session=wanted.session))
        self._fronts.lead_to(self.serving.running.instance)
        raise StepError(f"{error.message}; what ran before runs again", tail=error.tail, hint=error.hint) from error

    def _next(self, wanted: Wanted) -> InstanceSpec:
        """How it is run, and under which name, beside what serves."""
        taken = self.serving.running.instance.name if self.serving else ""
        spec = _anywhere(wanted.asked) if self._fronts.url else wanted.asked
        return replace(spec, name=next(name for name in self._names if name != taken))

    def _start(self, wanted: Wanted) -> Serving:
        """Start and wait until it is well; nothing of it is left when that fails."""
        plain = wanted.request(self._next(wanted))
        with wanted.tools.scratch() as folder:
            request = self._places.taken(plain, wanted.runner, wanted.tools, folder / "changes.tar")
            try:
                return serve(wanted, request, self._stop)
            except StepError as error:
                if not _may_be_the_place(request, error):
                    raise
        return serve(wanted, plain, self._stop)

    def _let_go(self) -> None:
        old, self._leaving = self._leaving, None
        if old is not None:
            self._stop(old)

    def _end_serving(self) -> None:
        old, self.serving = self.serving, None
        if old is not None:
            self._stop(old.running)

    def _stop(self, running: Running) -> None:
        stop(running, self._keeper.catalog.runners, self._keeper.hands.tools("", self.agent), grace=GRACE)


def _may_be_the_place(request: Start, error: StepError) -> bool:
    """Whether a start may have failed for where it was: the last one there has just ended, and who listens without SO_REUSEADDR
    has to wait for its connections; or a program was not found, and only the engine says which.
    """
    lost = request.changes is not None and f"exit code {NOT_FOUND} " in error.message
    return bool(request.place) and (lost or bool(_IN_USE.search(error.tail)))


def _anywhere(asked: InstanceSpec) -> InstanceSpec:
    """The same on any free ports."""
    return replace(asked, ports=tuple(PortMapping(port.container, 0, port.protocol) for port in asked.ports))


