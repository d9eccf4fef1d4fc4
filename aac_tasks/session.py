"""Composes a run for all three doors (`agent`, doit with a dodo.py, doit's loader): discover → facts → spec → plan,
then judge and do, step by step. It holds what one run shares; the decisions are in the rooms below.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.plan import AgentPlan, Plan, Step
from aac_tasks.contracts.result import Event, Result, Verdict
from aac_tasks.errors import StepError
from aac_tasks.judging import Judging
from aac_tasks.settings import Settings, read_settings
from aac_tasks.state.action_cache import ActionCache
from aac_tasks.state.blobs import Blobs
from aac_tasks.state.digests import FileDigests
from aac_tasks.state.judge import Case
from aac_tasks.state.root import StateFolder, find_root, user_cache
from aac_tasks.state.stamps import Stamp, StampFile, exclusively
from aac_tasks.workspace import Choices, Workspace

if TYPE_CHECKING:
    from aac_tasks.hands import Hands
    from aac_tasks.plugin_manager import Plugins

Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Options:
    """What a command line, a dodo.py or a test asks for. ``cwd`` is where it was called."""

    cwd: Path
    profile: str = ""
    platforms: tuple[str, ...] = ()
    offline: bool = False
    locked: bool = False
    update: bool = False
    builder: str = ""
    runner: str = ""
    allow_host: bool = False
    no_cache: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


class Session:
    """One run over one workspace. Thread-safe where steps of different agents run at once."""

    def __init__(self, options: Options, tell: Tell) -> None:
        self.started_ns = time.time_ns()
        self.options = options
        self.tell = tell
        self.cwd = options.cwd.resolve()
        self.root = find_root(self.cwd)
        self.state = StateFolder(self.root)
        self.state.open()
        self.cache = user_cache(options.environment)
        self.blobs = Blobs(self.cache)
        self.actions = ActionCache(self.cache)
        self.cancelled = threading.Event()
        self.results: dict[str, Result] = {}
        self._plans: dict[str, AgentPlan] = {}
        self._guard = threading.RLock()

    # -- what is there ------------------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """``[tool.aac]``."""
        return read_settings(self.root)

    @cached_property
    def plugins(self) -> Plugins:
        """Loaded when something must be compiled or done."""
        from aac_tasks.plugin_manager import (
            load,
        )  # lazy: pluggy is not imported while everything is up to date

        return load()

    @cached_property
    def hands(self) -> Hands:
        """What does: tools, runners, secrets."""
        from aac_tasks.hands import (
            Hands,
        )  # lazy: http and processes are not imported while everything is up to date

        return Hands(self)

    @cached_property
    def digests(self) -> FileDigests:
        """Digests of working-tree files below the root."""
        return FileDigests(self.state.path / "digests.json")

    @cached_property
    def workspace(self) -> Workspace:
        """The agents below the current folder."""
        epoch = self.options.environment.get("SOURCE_DATE_EPOCH", "")
        choices = Choices(
            profile=self.options.profile,
            platforms=self.options.platforms,
            builder=self.options.builder or self.settings.builder,
            created=int(epoch) if epoch.isdigit() else 0,
            members=self.settings.agents,
        )
        return Workspace(self.state, self.cwd, choices, lambda: self.plugins)

    def plan(self, agents: tuple[str, ...] = ()) -> Plan:
        """Every agent's steps, compiled or from the cache.

        Raises:
            SpecError, PlanError, PluginError, UsageError
        """
        plan = self.workspace.plan(agents)
        with self._guard:
            for agent in plan.agents:
                self._plans.setdefault(agent.agent, agent)
        return Plan(tuple(self._plans[a.agent] for a in plan.agents))

    def step(self, step_id: str) -> Step:
        """A step as it is known now: compiled again when the lock it waited for has been written meanwhile."""
        agent = self.agent_of(step_id)
        step = next(s for s in agent.steps if s.id == step_id)
        if step.pending and step.kind != "lock" and f"lock:{agent.agent}" in self.results:
            with self._guard:
                if self._plans[agent.agent] is agent:
                    self._plans[agent.agent] = self.workspace.compile(self.folder(agent))
                agent = self._plans[agent.agent]
            step = next(s for s in agent.steps if s.id == step_id)
        return step

    def folder(self, agent: AgentPlan) -> Path:
        """The agent's folder on disk."""
        return self.root / agent.folder if agent.folder else self.root

    def agent_of(self, step_id: str) -> AgentPlan:
        """The plan of the step's agent."""
        name = step_id.partition(":")[2]
        if name not in self._plans:
            self.plan()
        return self._plans[name]

    # -- judge --------------------------------------------------------------------------------------------------

    @cached_property
    def judging(self) -> Judging:
        """What judges steps of this run."""
        return Judging(self)

    def judge(self, step_id: str) -> Verdict:
        """Up to date, or stale because …; called after upstream ran."""
        return self.judging.judge(step_id)

    def why(self, step_id: str) -> JsonObject:
        """The verdict and every change, old → new, with its place in agent.yaml."""
        return self.judging.why(step_id)

    # -- do -----------------------------------------------------------------------------------------------------

    def run_step(self, step_id: str) -> Result:
        """Do a step unless another process has just done it, or the action cache knows its result.

        Raises:
            StepError: it failed; no stamp is left.
        """
        step = self.step(step_id)
        with exclusively(self.state.step(step.agent, step.kind)):
            verdict = self.judge(step_id)
            if verdict.fresh and step_id in self.results:
                self.tell(Event("fresh", step_id, verdict.reason))
                return self.results[step_id]
            self.tell(Event("start", step_id, verdict.reason))
            return self._restore(step, verdict) or self._do(step, verdict)

    def _restore(self, step: Step, verdict: Verdict) -> Result | None:
        if not step.pure or self.options.no_cache or not verdict.deep:
            return None
        result = self.actions.get(verdict.deep)
        if result is None or any(self.judging.missing(a) for a in result.artifacts):
            return None
        self.keep(self.judging.case(step), result, 0.0)
        self.tell(Event("cached", step.id, verdict.reason, data={"outputs": dict(result.outputs)}))
        return result

    def _do(self, step: Step, verdict: Verdict) -> Result:
        case = self._case_to_do(step)
        stamps = self.judging.stamps(step)
        previous = stamps.read()
        stamps.delete()
        started = time.monotonic()
        result = self.hands.execute(case, self.agent_of(step.id), previous)
        seconds = time.monotonic() - started
        self.results[step.id] = result
        if self._changed_meanwhile(case):
            self.workspace.settled = False
            self.tell(Event("note", step.id, "its files changed while it ran: the next run does it again"))
        else:
            self.keep(case, result, seconds)
            if step.pure and case.key.deep:
                self.actions.put(case.key.deep, result)
        for note in result.notes:
            self.tell(Event("note", step.id, note))
        self.tell(Event("done", step.id, verdict.reason, seconds, {"outputs": dict(result.outputs)}))
        return result

    def _case_to_do(self, step: Step) -> Case:
        if step.kind != "lock":
            return self.judging.case(step)
        if self.options.locked:
            raise StepError(
                "agent.lock is missing or does not answer agent.yaml, and --locked (default when CI=true) forbids writing it",
                hint="run `agent lock` and commit agent.lock",
            )
        return Case(step, step.action or {})

    def _changed_meanwhile(self, case: Case) -> bool:
        tree = case.step.tree
        return tree is not None and self.judging.snapshot(tree, again=True).digest != case.tree

    def keep(self, case: Case, result: Result, seconds: float) -> None:
        """Write the stamp of a step that is done."""
        key = case.key
        stamp = Stamp(
            case.step.id,
            key.key,
            key.deep,
            case.action,
            result,
            case.tree,
            dict(case.upstream),
            time.time(),
            seconds,
        )
        self.judging.stamps(case.step).write(stamp, case.snapshot.contents() if case.snapshot else {})
        self.results[case.step.id] = result

    def close(self) -> None:
        """Save what was learned; end what still runs."""
        if "digests" in self.__dict__:
            self.digests.save()
        if "hands" in self.__dict__:
            self.hands.close()

    # -- look ---------------------------------------------------------------------------------------------------

    def image(self, agent: str) -> JsonObject | None:
        """Facts of the image that was built last: the outputs of its step, None when there is none."""
        return self.outputs(agent, "image")

    def outputs(self, agent: str, kind: str) -> JsonObject | None:
        """What the step's last finished run said."""
        stamp = StampFile(self.state.step(agent, kind)).read()
        return dict(stamp.result.outputs) if stamp else None


def with_environment(options: Options, environment: Mapping[str, str]) -> Options:
    """Defaults that the environment sets: CI=true locks."""
    return replace(options, environment=dict(environment), locked=options.locked or environment.get("CI") == "true")


__all__ = ["Options", "Session", "Tell", "decode", "with_environment"]
