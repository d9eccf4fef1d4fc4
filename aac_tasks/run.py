"""What one run shares: where it is, what it may use, its plans and its results so far."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.plan import STEP_KINDS, AgentPlan, Plan, Step
from aac_tasks.contracts.result import Event, Result
from aac_tasks.discovery import Choices, is_wildcard
from aac_tasks.errors import PlanError, SpecError
from aac_tasks.fast import UNKNOWN
from aac_tasks.profiles import RegistryProfile, chosen_profile, default_registry, profiles_file
from aac_tasks.settings import FILE as SETTINGS
from aac_tasks.settings import Settings, read_settings, refuse_other_pools
from aac_tasks.state.action_cache import ActionCache
from aac_tasks.state.blobs import Blobs, Lender
from aac_tasks.state.catalog_cache import CatalogCache, Known
from aac_tasks.state.digests import FileDigests
from aac_tasks.state.ignored import named, passed_over
from aac_tasks.state.manifest import Untouched
from aac_tasks.state.root import StateFolder, find_root, user_cache
from aac_tasks.state.watch import observe
from aac_tasks.steps.interrupts import Cancellation
from aac_tasks.workspace import Workspace

if TYPE_CHECKING:
    from aac_tasks.catalog import Catalog
    from aac_tasks.plugin_manager import Plugins

Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Options:
    """What a command line, a dodo.py or a test asks for. ``cwd`` is where it was called; ``root`` the state root, where it
    is not to be looked for. ``executor`` is the address of machines that do steps. ``keep_going``: an agent that can't be
    planned is no reason not to do the others.
    """

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
    registry_profile: str = ""
    all_tags: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    executor: str = ""
    keep_going: bool = False


def with_environment(options: Options, environment: Mapping[str, str]) -> Options:
    """Defaults that the environment sets: CI=true locks, AAC_EXECUTOR names machines."""
    locked = options.locked or environment.get("CI") == "true"
    executor = options.executor or environment.get("AAC_EXECUTOR", "")
    return replace(options, environment=dict(environment), locked=locked, executor=executor)


class Run:
    """One run over one workspace: folders, stores, settings, plugins, plans, results."""

    def __init__(self, options: Options, tell: Tell) -> None:
        self.started_ns = time.time_ns()
        self.options = options
        self.tell = tell
        self.cwd = options.cwd if options.root else options.cwd.resolve()
        self.root = options.root or find_root(self.cwd)
        self.state = StateFolder(self.root)
        self.state.open()
        self.cache = user_cache(options.environment)
        self.blobs = Blobs(self.cache, self._lender)
        self.actions = ActionCache(self.cache)
        self.cancelled = Cancellation()
        self.results: dict[str, Result] = {}
        self.deep: dict[str, str] = {}
        self.stamped: dict[str, str] = {}
        self.broken: list[Exception] = []
        self.signals: list[int] = []
        self.untouched: Untouched | None = None
        self.scope: tuple[str, ...] = ()
        self.pools: dict[str, threading.BoundedSemaphore] = {}
        self._plans: dict[str, AgentPlan] = {}
        self._selected: dict[tuple[str, ...], tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._passed: set[str] = set()
        self._guard = threading.RLock()

    def _lender(self) -> Lender | None:
        """Who has blobs that are not in the store."""
        return None

    @cached_property
    def settings(self) -> Settings:
        """``[tool.aac]``."""
        return read_settings(self.root)

    @property
    def executor(self) -> str:
        """The address of machines that do steps, "" for this one."""
        return self.options.executor or self.settings.executor

    @cached_property
    def registry_profile(self) -> RegistryProfile | None:
        """What the user chose for all workspaces, None when they chose nothing."""
        return chosen_profile(self.options.registry_profile, self.options.environment)

    @cached_property
    def plugins(self) -> Plugins:
        """Loaded when something must be compiled or done."""
        from aac_tasks.plugin_manager import BUILT_INS, load  # lazy: no pluggy while everything is up to date

        cache = CatalogCache(self.state.path / "plugins")
        plugins = load()
        cache.write(Known(plugins.catalog, plugins.listens), BUILT_INS)
        return plugins

    @cached_property
    def _known(self) -> Known | None:
        return None if "plugins" in self.__dict__ else CatalogCache(self.state.path / "plugins").read()

    @cached_property
    def catalog(self) -> Catalog:
        """What plugins registered; without loading all of them when it is known who brings what."""
        return self._known.catalog if self._known else self.plugins.catalog

    def finished(self, event: Event) -> None:
        """Tell plugins that a step ended; without loading them when it is known that none of them listens."""
        if self._known is None or self._known.listens:
            self.plugins.step_finished(event)

    @cached_property
    def digests(self) -> FileDigests:
        """Digests of working-tree files below the root."""
        return FileDigests(self.state.path / "digests.json")

    @cached_property
    def workspace(self) -> Workspace:
        """The agents below the current folder."""
        profile = self.registry_profile
        epoch = self.options.environment.get("SOURCE_DATE_EPOCH", "")
        choices = Choices(
            profile=self.options.profile,
            platforms=self.options.platforms,
            builder=self.options.builder or self.settings.builder or (profile.builder if profile else ""),
            registry=default_registry(self.options.registry_profile, self.options.environment),
            all_tags=self.options.all_tags,
            created=int(epoch) if epoch.isdigit() else 0,
            members=self.settings.agents,
        )
        made = Workspace(self.state, self.cwd, choices, lambda: self.plugins, self.started_ns, self.untouched)
        made.missed = {} if self.options.keep_going else None
        read = observe([profiles_file(self.options.environment), self.root / SETTINGS], self.started_ns)
        made.common.update(read or {})
        if read is None:
            made.unsettled.add("")
        return made

    def plan(self, agents: tuple[str, ...] = ()) -> Plan:
        """Every agent's steps, or of those that this run was narrowed to; compiled or from the cache, looked for once a run.

        Raises:
            SpecError, PlanError, PluginError, UsageError
        """
        agents = agents or self.scope
        with self._guard:
            if agents not in self._selected:
                plan = self.workspace.plan(agents)
                if self.settings.pools and not (agents or self.workspace.missed) and self.cwd == self.root:
                    refuse_other_pools(self.settings.pools, self._kinds(plan), self.root)
                if self.untouched is not None:  # what a touched agent needs is judged with it
                    self.untouched = self.untouched.without([agent.agent for agent in plan.agents])
                for agent in plan.agents:
                    self._plans.setdefault(agent.agent, agent)
                self._selected[agents] = tuple(a.agent for a in plan.agents), plan.needed
            names, needed = self._selected[agents]
            return Plan(tuple(self._plans[name] for name in names), needed)

    def _kinds(self, plan: Plan) -> set[str]:
        """Of all steps, where the plan is that of every agent."""
        untouched = self.untouched.agents if self.untouched else ()
        known = (step.removeprefix(UNKNOWN).partition(":")[0] for agent in untouched for step in agent.steps)
        return {*STEP_KINDS, *(step.kind for step in plan.steps), *known}

    def narrow(self, words: Sequence[str]) -> None:
        """Have this run be about the agents that these words name, where each is a name or a folder: whatever the others have
        wrong is no matter.
        """
        alone = [self._alone(word) for word in dict.fromkeys(words)]
        found = [plans for plans in alone if plans is not None]
        if words and len(found) == len(alone):
            self.narrow_to(tuple({plan.agent: plan for plans in found for plan in plans}.values()))

    def _alone(self, word: str) -> tuple[AgentPlan, ...] | None:
        """None: it must be held against all agents; nothing: those that it names have no plan, and the run goes on without."""
        if is_wildcard(word):
            return None
        try:
            named = None if {"/", "."} & set(word) else self.workspace.named((word,))
        except (SpecError, PlanError) as error:
            if self.workspace.missed is None:
                raise
            self.workspace.missed[word] = error
            return ()
        before = len(self.missed)
        plans = named.asked if named is not None else self.workspace.below((self.cwd / word).resolve())
        if not plans and len(self.missed) > before:
            self._passed.add(word)
            return ()
        return plans or None

    @property
    def missed(self) -> Collection[str]:
        """Agents without a plan, and folders of nothing else, that this run goes on without."""
        return {*(self.workspace.missed or ()), *self._passed}

    def narrow_to(self, plans: Sequence[AgentPlan]) -> None:
        """Have this run be about these agents only."""
        self.scope = tuple(plan.agent for plan in plans)
        plan = self.workspace.complete(plans)
        self._plans.update({agent.agent: agent for agent in plan.agents})
        self._selected[self.scope] = tuple(agent.agent for agent in plan.agents), plan.needed

    def ignored(self, plan: Plan) -> dict[str, str]:
        """Steps that `doit ignore` keeps from being run, and why."""
        return passed_over(plan.steps, named(self.state.path))

    def step(self, step_id: str) -> Step:
        """A step as it is known now: compiled again when the lock it waited for has been written meanwhile."""
        agent = self.agent_of(step_id)
        step = next(s for s in agent.steps if s.id == step_id)
        if step.pending and step.kind != "lock" and f"lock:{agent.agent}" in self.results:
            step = next(s for s in self.plan_again(agent).steps if s.id == step_id)
        return step

    def plan_again(self, agent: AgentPlan) -> AgentPlan:
        """The agent's plan, compiled with the agent.lock that there is now; once, whoever asks first."""
        with self._guard:
            if self._plans[agent.agent] is agent:
                self._plans[agent.agent] = self.workspace.compile(self.folder(agent))
            return self._plans[agent.agent]

    def folder(self, agent: AgentPlan) -> Path:
        """The agent's folder on disk."""
        return self.root / agent.folder if agent.folder else self.root

    def agent_of(self, step_id: str) -> AgentPlan:
        """The plan of the step's agent."""
        name = step_id.partition(":")[2]
        if name not in self._plans:
            self.plan()
        if name not in self._plans and self.untouched:  # a user's task asks for what nobody planned
            folder = next(a.folder for a in self.untouched.agents if a.name == name)
            self._plans[name] = self.workspace.agent(self.root / folder if folder else self.root)
        return self._plans[name]
