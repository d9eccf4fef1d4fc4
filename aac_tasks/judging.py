"""Is a step of this run still true? Gathers what a key is made of, and asks ``state.judge``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from aac_tasks.contracts.canonical import Json, JsonObject, fingerprint, table
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.context import Snapshot
from aac_tasks.contracts.plan import PENDING_LOCK, AgentPlan, Consumed, Step, TreeRequest
from aac_tasks.contracts.result import Artifact, Result, Verdict
from aac_tasks.errors import StepError, UsageError
from aac_tasks.run import Run
from aac_tasks.settings import shared_places
from aac_tasks.state.judge import Case, changes, judge, spec_path
from aac_tasks.state.lock_file import NAME as LOCK_NAME
from aac_tasks.state.lock_file import read_lock
from aac_tasks.state.presence import missing_locally
from aac_tasks.state.saved import written
from aac_tasks.state.stamps import StampFile
from aac_tasks.state.tree import snapshot

if TYPE_CHECKING:
    from aac_tasks.hands import Hands


_BESIDE = ("instance", "services", "images")
"""What of an agent's own test says how others start it beside them (`Neighbour`)."""


class Judging:
    """The judge's clerk for one run. ``hands`` are asked only for what files can't tell."""

    def __init__(self, run: Run, hands: Callable[[], Hands]) -> None:
        self.run = run
        self._hands = hands
        self._stamps: dict[str, StampFile] = {}
        self._stale: dict[str, tuple[str, Verdict | None]] = {}
        self._snapshots: dict[str, tuple[Snapshot, dict[str, str]]] = {}
        self._guard = threading.RLock()

    def stamps(self, step: Step) -> StampFile:
        """Where the step's stamp is; its folder is looked for once, a step asks many times."""
        if step.id not in self._stamps:
            self._stamps[step.id] = StampFile(self.run.state.step(step.agent, step.kind))
        return self._stamps[step.id]

    def case(self, step: Step) -> Case:
        """Everything the step's key is made of, now.

        Raises:
            UsageError: agent.yaml stands in the way; ``pending`` says how. StepError: something that must run before has not.
        """
        if step.action is None or step.pending:
            if step.pending and step.pending != PENDING_LOCK:
                raise UsageError(step.pending)
            raise StepError(step.pending or f"{step.id} has nothing to do")
        action = step.action
        if "runner" in step.asks:
            action = {**action, "runner": self._hands().runner_choice.keyed()}
        upstream: dict[str, Json] = {}
        deep: dict[str, str] = {}
        consumes = step.consumes
        if "services" in step.asks:
            neighbours = self._neighbours(step)
            action = {**action, "neighbours": list(neighbours.values())}
            consumes = (*consumes, *(Consumed(f"image:{agent}", "content_digest") for agent in neighbours))
        for consumed in consumes:
            result, deep[consumed.step] = self._consumed(consumed.step, step)
            upstream[f"{consumed.step}/{consumed.output}"] = result.outputs.get(consumed.output)
        return Case(step, action, self.snapshot(step, step.tree) if step.tree else None, upstream, deep)

    def _neighbours(self, step: Step) -> dict[str, JsonObject]:
        """The agents that a test starts (see `Neighbour`): those behind its services, and behind theirs, who is needed first."""
        found: dict[str, JsonObject] = {}

        def add(services: Json) -> None:
            for agent in sorted({str(agent) for agent in table(services).values()}):
                if agent not in found:
                    action = self.run.step(f"test:{agent}").action or {}
                    add(action.get("services"))
                    found[agent] = {"agent": agent, **{name: action[name] for name in _BESIDE if name in action}}

        add((step.action or {}).get("services"))
        return found

    def _consumed(self, step_id: str, by: Step) -> tuple[Result, str]:
        """What a step yielded and its deep key, both of this run: the stamp may already be that of a run after an edit."""
        if step_id in self.run.results:
            return self.run.results[step_id], self.run.deep.get(step_id, "")
        stamp = self.stamps(self.run.step(step_id)).read()
        if stamp is None:
            raise StepError(f"{by.id} needs {step_id}, which has not run")
        return stamp.result, stamp.deep

    def snapshot(self, step: Step, request: TreeRequest, *, again: bool = False) -> Snapshot:
        """The step's input tree, walked once a run unless asked ``again``."""
        name = fingerprint(encode(request))
        with self._guard:
            if again or name not in self._snapshots:
                seen: dict[str, str] = {}
                tree = snapshot(self.run.root, request, self.run.digests, seen, self._caches, self._written)
                self._snapshots[name] = tree, seen
            found, seen = self._snapshots[name]
            self.run.workspace.seen.setdefault(step.agent, {}).update(seen)
            return found

    @cached_property
    def _written(self) -> dict[str, str]:
        """Files that commands wrote in an agent's folder."""
        return written(self.run.state.path, self.run.options.environment)

    @cached_property
    def _caches(self) -> frozenset[str]:
        """Folders that builds fill: the user's cache, and the shared one where that is a folder."""
        run = self.run
        shared = shared_places(run.settings.cache, run.options.environment, run.root)
        folders = (run.cache, *(place.folder for place in shared if place.folder is not None))
        return frozenset(os.path.realpath(folder) for folder in folders)

    def judge(self, step_id: str) -> Verdict:
        """Up to date, or stale because …; called after upstream ran."""
        step = self.run.step(step_id)
        identity = self.stamps(step).identity()
        verdict = self._judge(step)
        if not verdict.fresh:
            self._stale[step_id] = identity, verdict
        return verdict

    def judge_again(self, step_id: str) -> Verdict:
        """The same by who holds the step now; what was stale is so still, unless another run has written its stamp since."""
        identity, verdict = self._stale.pop(step_id, ("", None))
        step = self.run.step(step_id)
        if verdict is None or step.kind == "lock" or self.stamps(step).identity() != identity:
            return self.judge(step_id)
        return verdict

    def _judge(self, step: Step) -> Verdict:
        if step.kind == "lock":
            return self._judge_lock(step)
        if step.action is None or step.pending:
            return Verdict(False, step.pending)
        if self.run.options.no_cache and step.kind == "image" and step.id not in self.run.results:
            return Verdict(False, "asked to build anew")
        try:
            case = self.case(step)
        except StepError as error:
            return Verdict(False, error.message)
        verdict = judge(case, self.stamps(step), self.missing)
        return self._kept(step, verdict) if verdict.fresh else verdict

    def entry(self, case: Case) -> str:
        """The name of its agent's entry in a shared cache: the image's deep key, "" while that is not known."""
        image = f"image:{case.step.agent}"
        if case.step.id == image:
            return case.key.deep
        if known := case.deep.get(image):
            return known
        step = self.run.agent_of(image).step("image")
        return self.case(step).key.deep if step is not None and step.action is not None and not step.pending else ""

    def _judge_lock(self, step: Step) -> Verdict:
        """The lock file itself says what it answers; no stamp is needed, so a fresh clone is up to date."""
        agent = self.run.agent_of(step.id)
        written = (self.run.folder(agent) / LOCK_NAME).exists()
        if _waits(agent) and written:
            agent = self.run.plan_again(agent)  # another run may have written it since this one planned
        if self.run.options.update and step.id not in self.run.results:
            return Verdict(False, "asked to resolve again")
        if not _waits(agent):
            return Verdict(True, "agent.lock answers agent.yaml", agent.lock_inputs, agent.lock_inputs)
        if not written:
            return Verdict(False, "there is no agent.lock", agent.lock_inputs, agent.lock_inputs)
        asked = ", ".join(dict.fromkeys(self._asked_anew(step, agent)))
        detail = f": {asked} changed" if asked else ""
        return Verdict(False, f"agent.lock answers another question{detail}", agent.lock_inputs, agent.lock_inputs)

    def _asked_anew(self, step: Step, agent: AgentPlan) -> Iterator[str]:
        """Places in agent.yaml that agent.lock does not answer: by the stamp of who wrote it, else by what it says itself."""
        from aac_tasks.contracts.actions import LockAction  # lazy: a lock seldom answers another question
        from aac_tasks.steps.lock import unanswered

        lock = read_lock(self.run.folder(agent) / LOCK_NAME)
        if lock is None or step.action is None:
            return
        stamp = self.stamps(step).read()
        if stamp is not None and table(stamp.result.outputs.get("lock")).get("inputs") == lock.inputs:
            yield from (spec_path(step, c.path) for c in changes(Case(step, step.action), stamp, self.stamps(step))[0][:1])
        else:
            yield from (spec_path(step, part) for part in unanswered(decode(LockAction, step.action), lock))

    def missing(self, artifact: Artifact) -> str:
        """What is wrong with an artifact, "" when it is there."""
        found = missing_locally(artifact, self.run.root, self.run.blobs)
        return self._hands().missing(artifact) if found is None else found

    def _kept(self, step: Step, verdict: Verdict) -> Verdict:
        """The same, and the result is this run's; stale when another run has taken the stamp away since."""
        if step.id not in self.run.results:
            identity = self.stamps(step).identity()
            stamp = self.stamps(step).read()
            if stamp is None or stamp.key != verdict.key:
                return Verdict(False, "another run is at work on it", verdict.key, verdict.deep)
            self.run.results[step.id] = stamp.result
            self.run.deep[step.id] = stamp.deep
            self.run.stamped[step.id] = identity
        return verdict

    def why(self, step_id: str) -> JsonObject:
        """The verdict and every change, old → new, with its place in agent.yaml."""
        step = self.run.step(step_id)
        verdict = self.judge(step_id)
        answer: dict[str, Json] = {
            "step": step_id,
            "fresh": verdict.fresh,
            "reason": verdict.reason,
            "key": verdict.key,
            "after": [{"step": need, "reason": reason} for need, reason in self._before(step)],
        }
        stamp = self.stamps(step).read()
        if stamp is None or step.action is None:
            return answer
        try:
            case = self.case(step) if step.kind != "lock" else Case(step, step.action)
        except StepError:
            return answer
        values, files = changes(case, stamp, self.stamps(step))
        answer["changes"] = [{"path": c.path, "spec": spec_path(step, c.path), "old": c.old, "new": c.new} for c in values]
        answer["files"] = [{"path": c.path, "old": c.old, "new": c.new} for c in files]
        return answer

    def uses(self, step: Step) -> tuple[str, ...]:
        """Steps whose outputs are part of its key."""
        images = (f"image:{agent}" for agent in self._neighbours(step)) if "services" in step.asks else ()
        return (*(consumed.step for consumed in step.consumes), *images)

    def _before(self, step: Step) -> Iterator[tuple[str, str]]:
        """Steps that would run first because of what they read themselves, and why; what comes of them decides on this one, for
        it uses what they yield.
        """
        seen: set[str] = set()

        def look(step: Step) -> Iterator[tuple[str, str]]:
            for need in self.uses(step):
                if need not in seen:
                    seen.add(need)
                    found = list(look(self.run.step(need)))
                    yield from found
                    if not found and not (verdict := self.judge(need)).fresh:
                        yield need, verdict.reason

        yield from look(step)


def _waits(agent: AgentPlan) -> bool:
    """Whether no agent.lock answers what agent.yaml asks now."""
    return any(s.pending == PENDING_LOCK for s in agent.steps)
