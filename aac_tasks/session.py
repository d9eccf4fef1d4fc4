"""Composes a run for all three doors (`agent`, doit with a dodo.py, doit's loader): discover → facts → spec → plan,
then judge and do, step by step. The decisions are in the rooms below.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import StoredImage
from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.result import Event, Result, Verdict
from aac_tasks.equipped import Equipped
from aac_tasks.errors import AacError, LostError, StepError
from aac_tasks.fast import SAYS_PER_AGENT, UNKNOWN
from aac_tasks.judging import Judging
from aac_tasks.run import Options, Tell, with_environment
from aac_tasks.state.differences import visible
from aac_tasks.state.judge import Case
from aac_tasks.state.manifest import recall
from aac_tasks.state.root import of_the_machine
from aac_tasks.state.stamps import Stamp, StampFile, exclusively

if TYPE_CHECKING:
    from aac_tasks.elsewhere import Elsewhere

__all__ = ["Options", "Session", "Tell", "with_environment"]


class Session(Equipped):
    """A run that judges and does. Thread-safe where steps of different agents run at once."""

    @cached_property
    def judging(self) -> Judging:
        """What judges steps of this run."""
        return Judging(self, lambda: self.hands)

    @cached_property
    def elsewhere(self) -> Elsewhere | None:
        """Machines that do steps of this run, None where there are none."""
        if not self.executor:
            return None
        from aac_tasks.elsewhere import Elsewhere  # lazy: most runs do everything here

        return Elsewhere(self, lambda: self.hands, self.sharing)

    def judge(self, step_id: str) -> Verdict:
        """Up to date, or stale because …; called after upstream ran."""
        return self.judging.judge(step_id)

    def why(self, step_id: str) -> JsonObject:
        """The verdict and every change, old → new, with its place in agent.yaml."""
        return self.judging.why(step_id)

    def uses(self, step: Step) -> tuple[str, ...]:
        """Steps whose outputs are part of its key: when one of these runs, it may have to run too."""
        return self.judging.uses(step)

    def leave_untouched(self, arguments: Sequence[str]) -> None:
        """Have this run plan and judge only agents of which something changed since the manifest of ``arguments``."""
        if not (self.options.no_cache or self.options.update):
            self.untouched = recall(list(arguments))

    def tell_untouched(self) -> None:
        """Say what was left alone; at the end, for nobody waits for it."""
        agents = self.untouched.agents if self.untouched else ()
        if len(agents) > SAYS_PER_AGENT:
            self.tell(Event("note", text=f"{len(agents)} more agents are up to date: nothing that they rest on changed"))
            return
        for step in (step for agent in agents for step in agent.steps if not step.startswith(UNKNOWN)):
            self.tell(Event("fresh", step, "nothing that it rests on changed"))

    # -- do -----------------------------------------------------------------------------------------------------

    def run_step(self, step_id: str, *, anew: bool = False) -> Result:
        """Do a step unless another process has just done it, or the action cache knows its result; ``anew``: do it all the same.

        Raises:
            AacError: it failed or can't be done; no stamp is left.
        """
        step = self.step(step_id)
        with self._pool(step.kind), exclusively(self.state.step(step.agent, step.kind)):
            verdict = self.judging.judge_again(step_id)
            if verdict.fresh and not anew:  # another run did it while this one waited
                self.tell(Event("fresh", step_id, verdict.reason))
                return self.results.get(step_id, Result())
            self.tell(Event("start", step_id, verdict.reason))
            try:
                self.hands.end_left_over(step)
                if anew:
                    return self._do_with_blobs(step, Verdict(fresh=False, reason="asked to run always"))
                return self._restore(step, verdict) or self._do_with_blobs(step, verdict)
            except AacError as error:
                self._fail(step, error)
                raise
            except OSError as error:
                if told := of_the_machine(error):
                    self._fail(step, told)
                    raise told from error
                raise

    def _fail(self, step: Step, error: AacError) -> None:
        from aac_tasks.steps.redaction import redact_keys  # lazy: most steps are done

        self.judging.stamps(step).fail(visible(redact_keys(str(error)).partition("\n")[0]))
        self.finished(Event("failed", step.id, str(error)))

    def _pool(self, kind: str) -> AbstractContextManager[object]:
        """What a step of that kind holds while it is done: a place in its pool, where the workspace has one."""
        most = self.settings.pools.get(kind)
        if most is None:
            return nullcontext()
        with self._guard:
            return self.pools.setdefault(kind, threading.BoundedSemaphore(most))

    def _restore(self, step: Step, verdict: Verdict) -> Result | None:
        if not step.pure or self.options.no_cache:
            return None
        case = self.judging.case(step)
        if not case.is_rooted:
            return None
        result = self.actions.get(case.key.deep)
        if result is None or any(self.judging.missing(a) for a in result.artifacts):
            result = self._shared(case)
        elif self.sharing is not None:
            self._publish(case, result)
        if result is None:
            return None
        result = self.hands.restored(case, result)
        last = self.judging.stamps(step).last()
        self.keep(case, result, last.seconds if last else 0.0)  # how long it takes where it is done is still known
        self._finish(Event("cached", step.id, verdict.reason, data={"outputs": dict(result.outputs)}))
        return result

    def _shared(self, case: Case) -> Result | None:
        """What the shared cache knows, unless the user wants the step done."""
        if self.sharing is None or self.judging.stamps(case.step).anew:
            return None
        name = self.judging.entry(case)
        return self.sharing.result(name, case.key.deep, case.step.kind) if name else None

    def _publish(self, case: Case, result: Result) -> None:
        if self.sharing is not None and (name := self.judging.entry(case)):
            self.sharing.publish(name, case.key.deep, case.step.kind, result)

    def _do_with_blobs(self, step: Step, verdict: Verdict) -> Result:
        """Do it; when blobs that an earlier step promised can't be had, that one is done first, here."""
        try:
            return self._do(step, verdict)
        except LostError as error:
            if not step.needs:
                raise
            self.tell(Event("note", step.id, f"{error.message}; it is made again"))
            for need in step.needs:
                self._see_to(need)
            return self._do(step, verdict)

    def _see_to(self, step_id: str) -> None:
        for need in self.step(step_id).needs:
            self._see_to(need)
        if not self.judge(step_id).fresh:
            self.run_step(step_id)

    def _do(self, step: Step, verdict: Verdict) -> Result:
        case = self._case_to_do(step)
        stamps = self.judging.stamps(step)
        previous = stamps.last()
        # who is killed now may leave effects: what there was, or is about to be, must be known
        stamps.put_aside(None if step.pure else Stamp(step.id, "", "", case.action, Result()))
        started = time.monotonic()
        result = self._work(case, previous)
        seconds = time.monotonic() - started
        self.results[step.id] = result
        if self._changed_meanwhile(case):
            self.workspace.unsettled.add(step.agent)
            self.tell(Event("note", step.id, "its files changed while it ran: the next run does it again"))
        else:
            if step.pure and case.is_rooted:
                self.actions.put(case.key.deep, result)  # before the stamp: who is killed between them loses neither
            self.keep(case, result, seconds)
            if step.pure and case.is_rooted:
                self._publish(case, result)
        if step.kind == "lock":  # after its stamp: who finds the lock finds both
            self.hands.write_lock(self.agent_of(step.id), result)
        for note in result.notes:
            self.tell(Event("note", step.id, note))
        self._finish(Event("done", step.id, verdict.reason, seconds, {"outputs": dict(result.outputs)}))
        return result

    def _work(self, case: Case, previous: Stamp | None) -> Result:
        agent, elsewhere = self.agent_of(case.step.id), self.elsewhere
        if elsewhere is not None and elsewhere.takes(case.step):
            result = elsewhere.do(case, agent, previous.tree if previous else "")
            if result is not None:
                return result
        return self.hands.execute(case, agent, previous)

    def _finish(self, event: Event) -> None:
        self.tell(event)
        self.finished(event)

    def _case_to_do(self, step: Step) -> Case:
        if step.kind != "lock":
            return self.judging.case(step)
        if self.options.locked:
            why = self.judge(step.id).reason
            raise StepError(
                f"{why}, and --locked (the default when CI=true) forbids to write it",
                hint="run `agent lock` and commit agent.lock",
            )
        return Case(step, step.action or {})

    def _changed_meanwhile(self, case: Case) -> bool:
        return case.step.tree is not None and self.judging.snapshot(case.step, case.step.tree, again=True).digest != case.tree

    def keep(self, case: Case, result: Result, seconds: float) -> None:
        """Write the stamp of a step that is done."""
        key = case.key
        stamp = Stamp(
            case.step.id,
            key.key,
            key.deep if case.is_rooted else "",
            case.action,
            result,
            case.tree,
            dict(case.upstream),
            time.time(),
            seconds,
        )
        if case.step.kind == "image":  # before the stamp: who is killed between the two does it again
            from aac_tasks.state.workspaces import enlist  # lazy: most steps make no image

            enlist(self.cache, self.root)
        stamps = self.judging.stamps(case.step)
        stamps.write(stamp, case.snapshot.contents() if case.snapshot else {})
        self.results[case.step.id] = result
        self.deep[case.step.id] = stamp.deep
        self.stamped[case.step.id] = stamps.identity()

    def kill(self) -> None:
        """End children without waiting for them, for a user who pressed Ctrl-C twice."""
        self.cancelled.set()
        if "hands" in self.__dict__:
            self.hands.kill()

    def close(self) -> None:
        """Save what was learned; end what still runs."""
        if "digests" in self.__dict__:
            self.digests.save()
        if "elsewhere" in self.__dict__ and self.elsewhere is not None:
            self.elsewhere.close()
        super().close()

    # -- look ---------------------------------------------------------------------------------------------------

    def image(self, agent: str) -> JsonObject | None:
        """Facts of the image that was built last: the outputs of its step, None when there is none."""
        return self.outputs(agent, "image")

    def outputs(self, agent: str, kind: str) -> JsonObject | None:
        """What the step's last finished run said."""
        stamp = StampFile(self.state.step(agent, kind)).read()
        return dict(stamp.result.outputs) if stamp else None

    def again(self, agent: str, kind: str, image: StoredImage) -> Result:
        """Do once more what a finished step did, with the same action and image; its stamp stays that of the same key.

        Raises:
            StepError: it never finished, or fails now.
        """
        with exclusively(self.state.step(agent, kind)):
            stamps = StampFile(self.state.step(agent, kind))
            stamp = stamps.last()
            if stamp is None or not stamp.key:
                raise StepError(f"{kind}:{agent} did not finish, so it can't be done again", hint=f"run `agent {kind} {agent}`")
            files = stamps.files()
            stamps.put_aside()
            result = self.hands.redo(stamp, agent, image)
            stamps.write(replace(stamp, result=result, finished=time.time()), files)
            return result

    def last(self, agent: str, kind: str) -> Stamp | None:
        """The step's last run, finished or not: what may still have effects in the world."""
        return StampFile(self.state.step(agent, kind)).last()
