"""Discover → facts → spec → plan, for every agent of a workspace; a compiled plan is kept until what it read changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.canonical import JsonObject, fingerprint
from aac_tasks.contracts.plan import AgentPlan, Plan
from aac_tasks.discovery import MANIFESTS, Choices, discover, manifests, relative
from aac_tasks.errors import AacError, PlanError, Problem, SpecError, UsageError
from aac_tasks.plan.needing import in_order
from aac_tasks.state.index import Index
from aac_tasks.state.manifest import Untouched
from aac_tasks.state.plan_cache import PlanCache
from aac_tasks.state.root import StateFolder
from aac_tasks.state.watch import PRESENT, describe, observe

if TYPE_CHECKING:
    from aac_tasks.compiling import Compiler
    from aac_tasks.plugin_manager import Plugins
    from aac_tasks.spec import ReadSpec


@dataclass
class Workspace:
    """All agents below ``start``. ``plugins`` is called only when something must be compiled; ``untouched`` agents are
    left out of a plan of all.

    ``missed`` collects agents without a plan, and why, where the run is to go on without them (None: it is not).
    ``common`` collects the identity of what every plan rests on, ``listed`` of folders that were listed, ``seen`` of what
    each agent rests on. ``unsettled`` are agents of which something was touched while it was read, "" stands for all: nothing
    may be concluded from identities.
    """

    state: StateFolder
    start: Path
    choices: Choices
    plugins: Callable[[], Plugins]
    started_ns: int
    untouched: Untouched | None = None
    missed: dict[str, AacError] | None = None
    common: dict[str, str] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)
    seen: dict[str, dict[str, str]] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)

    @cached_property
    def cache(self) -> PlanCache:
        """Plans of earlier runs."""
        return PlanCache(self.state.path / "plans", self.started_ns)

    @cached_property
    def index(self) -> Index:
        """Where agents were found."""
        return Index(self.state.path / "plans" / f"agents-{self.choices.name}")

    def folders(self) -> tuple[Path, ...]:
        """Folders with an agent.yaml, sorted; only those of ``[tool.aac] agents`` when it is set."""
        members = self.choices.members
        if members:
            matched = {f for m in members for f in self.state.root.glob(m)}
            self.listed.update({str(f.parent): describe(f.parent.stat()) for f in matched})
            found = {f for f in matched if manifests(f)}
            return tuple(sorted(f for f in found if f.is_relative_to(self.start) or self.start.is_relative_to(f)))
        return tuple(sorted(discover(self.start, self.listed)))

    def nothing(self, where: str) -> UsageError:
        """That there is no agent, and where one was looked for."""
        if not self.choices.members:
            return UsageError(f"no agent.yaml in {where} or below; `agent init NAME` makes one")
        globs = ", ".join(f'"{glob}"' for glob in self.choices.members)
        return UsageError(f"no agent.yaml in {where} or below that [tool.aac] agents = [{globs}] names; mend it, or leave it out")

    def _touched(self) -> tuple[Path, ...]:
        """Folders with an agent that may be another one since, sorted."""
        known = self.untouched
        if known is None:
            return self.folders()
        found: Iterable[Path] = ()
        if known.listed and not self.choices.members:  # nothing can have come but where something changed
            tops = [self.state.root / folder for folder in known.doubted]
            found = {folder for top in tops for folder in discover(top, self.listed)}
        else:
            found = self.folders()
        same = {agent.folder for agent in known.agents}
        return tuple(sorted(folder for folder in found if relative(folder, self.state.root) not in same))

    def plan(self, names: tuple[str, ...] = ()) -> Plan:
        """Every agent's plan, but for those that are known to be up to date.

        Raises:
            SpecError: problems of all agents together. PlanError: two agents of one name.
        """
        if names and (named := self.named(names)) is not None:
            return named
        folders, known = self._touched(), self.untouched.agents if self.untouched else ()
        if not folders and not known:
            raise self.nothing(f"{self.start}")
        plans = self._each(folders, [(a.name, a.file) for a in known])
        self.index.keep(plans)
        return self.complete(_selected(plans, names))

    def _each(self, folders: Iterable[Path], beside: Iterable[tuple[str, str]] = ()) -> list[AgentPlan]:
        """Their plans. ``beside`` are names and files of agents that may not be called the same."""
        plans, broken = self._tried(folders)
        twins = _twins([*beside, *((plan.agent, plan.file) for plan in plans)])
        if self.missed is None:
            if broken:
                raise SpecError(_problems(broken))
            _refuse(twins)
            return plans
        self.missed.update(twins)
        known = {place.folder: name for name, place in self.index.places.items()}
        for folder, error in broken.items():
            self.missed[known.get(relative(folder, self.state.root), folder.name)] = error
        return [plan for plan in plans if self._is_complete(plan, self.missed)]

    def _is_complete(self, plan: AgentPlan, missed: dict[str, AacError]) -> bool:
        """Whether all that it needs can be planned, and it is known who is meant; it is missed otherwise."""
        try:
            needed = self.complete((plan,))
        except (SpecError, PlanError) as error:
            missed[plan.agent] = error
            return False
        reasons = [missed[one.agent] for one in needed.agents if one.agent in missed]
        missed.update((plan.agent, reason) for reason in reasons[:1])
        return not reasons

    def _tried(self, folders: Iterable[Path]) -> tuple[list[AgentPlan], dict[Path, SpecError]]:
        broken: dict[Path, SpecError] = {}
        plans: list[AgentPlan] = []
        for folder in folders:
            try:
                plans.append(self.agent(folder))
            except SpecError as error:
                broken[folder] = error
        return plans, broken

    def named(self, names: tuple[str, ...]) -> Plan | None:
        """Plans of these agents alone, whatever is wrong with others; None when one of them is not here."""
        plans = [plan for name in names if (plan := self._find(name)) and self.folder(plan).is_relative_to(self.start)]
        return self.complete(plans) if len(plans) == len(names) else None

    def folder(self, plan: AgentPlan) -> Path:
        """Where an agent is."""
        return self.state.root / plan.folder

    def below(self, top: Path) -> tuple[AgentPlan, ...]:
        """The agents in a folder (or of an agent's file) and below it, planned without all others.

        Raises:
            SpecError: problems of all of them together. PlanError: two agents of one name.
        """
        top = top.parent if top.name in MANIFESTS else top
        return tuple(self._each(f for f in self.folders() if f.is_relative_to(top)))

    def _find(self, name: str) -> AgentPlan | None:
        """The agent of that name: where it was seen last, else wherever below the root it is."""
        if (plan := self._where_it_was(name)) is not None:
            return plan
        _refuse(_twins((plan.agent, plan.file) for plan in self._everybody[0] if plan.agent == name))
        return self._where_it_was(name)

    def _where_it_was(self, name: str) -> AgentPlan | None:
        place = self.index.places.get(name)
        folder = self.state.root / place.folder if place else None
        plan = self.agent(folder) if folder is not None and manifests(folder) else None
        return plan if plan is not None and plan.agent == name else None

    @cached_property
    def _everybody(self) -> tuple[list[AgentPlan], tuple[Problem, ...]]:
        """Every agent below the root, and what is wrong with those that have no plan; this run does not rest on them."""
        apart = Workspace(self.state, self.state.root, self.choices, self.plugins, self.started_ns)
        plans, broken = apart._tried(apart.folders())
        twins = _twins((plan.agent, plan.file) for plan in plans)
        self.index.keep(plan for plan in plans if plan.agent not in twins)
        return plans, _problems(broken)

    def complete(self, plans: Sequence[AgentPlan]) -> Plan:
        """These with the agents that these need, wherever below the root they are, and each behind those that it needs.

        Raises:
            SpecError: there is no such agent. PlanError: agents need one another.
        """
        left = [plan for plan in plans if plan.others]
        if not left:
            return Plan(tuple(plans))
        found = {plan.agent: plan for plan in plans}
        while left:
            plan = left.pop()
            for name in plan.others:
                if name not in found:
                    found[name] = self._other(name, plan)
                    left.append(found[name])
        names = {plan.agent for plan in plans}
        return Plan(in_order(found.values()), tuple(name for name in found if name not in names))

    def _other(self, name: str, by: AgentPlan) -> AgentPlan:
        plan = self._find(name)
        if plan is None:
            known, problems = self._everybody
            raise SpecError(problems) if problems else self._unknown(name, by, [plan.agent for plan in known])
        return plan

    def _unknown(self, name: str, by: AgentPlan, known: Collection[str]) -> SpecError:
        from aac_tasks.spec.teaching import nearest  # lazy: only for the message

        read = self.read(self.state.root / by.folder)
        service = next((s for s, one in read.spec.services.items() if one.agent == name), "")
        path = f"spec.services.{service}.agent"
        message = f"no agent {name!r} here{nearest(name, known)} (there are: {', '.join(sorted(known))})"
        return SpecError((Problem(by.file, *read.positions.get(path, (0, 0)), path, message),))

    def agent(self, folder: Path) -> AgentPlan:
        """One agent's plan, from the cache when nothing that it was made from changed."""
        kept = self.cache.load(self._cache_name(folder))
        if kept is not None and str(folder / MANIFESTS[0]) in kept[0]:  # else of another checkout, whose state folder this is too
            self._remember(kept[1].agent, kept[0])
            return kept[1]
        return self.compile(folder)

    def compile(self, folder: Path) -> AgentPlan:
        """Read and compile one agent now."""
        started = time.time_ns()
        plan, watched, there = self._compiler.compile(folder)
        seen = observe(watched, started)
        if seen is None:
            self.unsettled.add(plan.agent)
        else:
            seen.update(there)
            self._remember(plan.agent, seen)
            if not self.cache.save(self._cache_name(folder), seen, plan):
                self.unsettled.add("")
        return plan

    def _remember(self, agent: str, seen: Mapping[str, str]) -> None:
        mine = self.seen.setdefault(agent, {})
        for path, ident in seen.items():
            if ident != PRESENT or path not in mine:  # an identity says more than a presence
                mine[path] = ident

    def read(self, folder: Path) -> ReadSpec:
        """The validated spec of one folder (for `validate` and `inspect` as well)."""
        return self._compiler.read(folder)

    def settings(self) -> Mapping[str, JsonObject]:
        """Settings schemas that plugins bring, by where they are mounted."""
        return self._compiler.settings

    @cached_property
    def _compiler(self) -> Compiler:
        from aac_tasks.compiling import Compiler  # lazy: only when something changed

        return Compiler(self.state.root, self.choices, self.plugins)

    def _cache_name(self, folder: Path) -> str:
        return fingerprint([relative(folder, self.state.root), self.choices.name])[:32]


def _problems(broken: Mapping[Path, SpecError]) -> tuple[Problem, ...]:
    return tuple(problem for error in broken.values() for problem in error.problems)


def _twins(agents: Iterable[tuple[str, str]]) -> dict[str, PlanError]:
    """What is wrong with those that have one name; ``agents`` are (name, file)."""
    where: dict[str, str] = {}
    found: dict[str, PlanError] = {}
    for name, file in agents:
        if where.setdefault(name, file) != file:
            found[name] = PlanError(f"two agents are called {name!r}: {where[name]} and {file}; rename one (metadata.name)")
    return found


def _refuse(twins: Mapping[str, PlanError]) -> None:
    for error in twins.values():
        raise error


def _selected(plans: list[AgentPlan], names: tuple[str, ...]) -> tuple[AgentPlan, ...]:
    if not names:
        return tuple(plans)
    known = {p.agent: p for p in plans}
    for name in names:
        if name not in known:
            import difflib  # lazy: only for the message

            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"no agent {name!r} here{hint} (there are: {', '.join(sorted(known))})")
    return tuple(known[n] for n in names)
