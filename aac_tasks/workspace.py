"""Discover → facts → spec → plan, for every agent of a workspace; a compiled plan is kept until what it read changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.canonical import JsonObject, fingerprint
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.plan import AgentPlan, Plan
from aac_tasks.discovery import MANIFESTS, TEXT_SUFFIXES, discover, facts_of, manifests
from aac_tasks.errors import PlanError, Problem, SpecError, UsageError
from aac_tasks.state.ignore import parse_ignore_file
from aac_tasks.state.index import Index
from aac_tasks.state.lock_file import NAME as LOCK_NAME
from aac_tasks.state.manifest import Untouched
from aac_tasks.state.plan_cache import PlanCache
from aac_tasks.state.root import StateFolder
from aac_tasks.state.watch import ABSENT, PRESENT, describe, observe

if TYPE_CHECKING:
    from aac_tasks.catalog import Catalog
    from aac_tasks.contracts.image import Platform
    from aac_tasks.plugin_manager import Plugins
    from aac_tasks.spec import ReadSpec


@dataclass(frozen=True)
class Choices:
    """What the command line and settings say that planning must know. ``registry`` is for agents that name none."""

    profile: str = ""
    platforms: tuple[str, ...] = ()
    builder: str = ""
    created: int = 0
    registry: str = ""
    all_tags: bool = False
    members: tuple[str, ...] = ()

    @cached_property
    def name(self) -> str:
        """A short name for these choices."""
        return fingerprint(encode(self))[:16]


@dataclass
class Workspace:
    """All agents below ``start``. ``plugins`` is called only when something must be compiled; ``untouched`` agents are
    left out of a plan of all.

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
        return Index(self.state.path / "plans" / f"index-{self.choices.name}")

    def folders(self) -> tuple[Path, ...]:
        """Folders with an agent.yaml, sorted; only those of ``[tool.aac] agents`` when it is set."""
        members = self.choices.members
        if members:
            matched = {f for m in members for f in self.state.root.glob(m)}
            self.listed.update({str(f.parent): describe(f.parent.stat()) for f in matched})
            found = {f for f in matched if manifests(f)}
            return tuple(sorted(f for f in found if f.is_relative_to(self.start) or self.start.is_relative_to(f)))
        return tuple(sorted(discover(self.start, self.listed)))

    def plan(self, names: tuple[str, ...] = ()) -> Plan:
        """Every agent's plan, but for those that are known to be up to date.

        Raises:
            SpecError: problems of all agents together. PlanError: two agents of one name.
        """
        if names and (named := self.named(names)) is not None:
            return named
        folders = self.folders()
        if not folders:
            raise UsageError(f"no agent.yaml in {self.start} or below; `agent init NAME` makes one")
        known = {a.folder: a for a in self.untouched.agents} if self.untouched else {}
        problems: list[Problem] = []
        plans: list[AgentPlan] = []
        for folder in folders:
            if self._relative(folder) in known:
                continue
            try:
                plans.append(self.agent(folder))
            except SpecError as error:
                problems.extend(error.problems)
        if problems:
            raise SpecError(tuple(problems))
        _refuse_twins([*((a.name, a.file) for a in known.values()), *((p.agent, p.file) for p in plans)])
        self.index.keep(plans)
        return Plan(_selected(plans, names))

    def named(self, names: tuple[str, ...]) -> Plan | None:
        """Plans of these agents alone; None when one of them is not where it was."""
        places = self.index.places
        plans: list[AgentPlan] = []
        for name in names:
            folder = self.state.root / places[name].folder if name in places else None
            if folder is None or not manifests(folder) or not folder.is_relative_to(self.start):
                return None
            plans.append(self.agent(folder))
        return Plan(tuple(plans)) if [p.agent for p in plans] == list(names) else None

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
        plan, watched, there = self._compile(folder)
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
        from aac_tasks.spec import read_spec  # lazy: yaml and jsonschema are not needed when plans are cached

        path = folder / self._manifest(folder)
        settings = self.settings()
        return read_spec(path.read_bytes(), file=self._relative(path), profile=self.choices.profile, settings=settings)

    def settings(self) -> Mapping[str, JsonObject]:
        """Settings schemas that plugins bring, by where they are mounted."""
        catalog = self.plugins().catalog
        found: dict[str, JsonObject] = {}
        tables = (("runtime", catalog.runtimes), ("registry", catalog.registries), ("deployer", catalog.deployers))
        for role, table in tables:
            for entry in table:
                if entry.settings_schema is not None:
                    found[f"{role}:{entry.name}"] = entry.settings_schema
        return found

    def _compile(self, folder: Path) -> tuple[AgentPlan, list[Path], dict[str, str]]:
        """The plan; the files whose content it was made from; the files that need only be there, or be absent."""
        from aac_tasks.plan.compile import Request, compile_agent  # lazy: only when something changed
        from aac_tasks.plan.context import context_root  # lazy, as above
        from aac_tasks.plan.naming import named  # lazy, as above

        manifest = self._manifest(folder)
        read = self.read(folder)
        plugins = self.plugins()
        extra = plugins.check_spec(read.spec)
        if any(p.severity == "error" for p in extra):
            raise SpecError(extra)
        _refuse_unknown(read, plugins.catalog, self._relative(folder / manifest))
        wants = plugins.catalog.runtimes.get(read.spec.runtime).wants(read.spec)
        context = self.state.root / context_root(
            self._relative(folder), read.spec.build.context, self._relative(folder / manifest)
        )
        facts = facts_of(context, wants, folder / LOCK_NAME)
        ignore_file = context / ".dockerignore"
        request = Request(
            spec=named(read.spec, self.choices.registry, all_tags=self.choices.all_tags),
            canonical=read.canonical,
            facts=facts,
            folder=self._relative(folder),
            file=self._relative(folder / manifest),
            ignore=parse_ignore_file(ignore_file.read_text(encoding="utf-8")) if ignore_file.is_file() else (),
            builder=self.choices.builder,
            platforms=tuple(_platform(p) for p in self.choices.platforms),
            created=self.choices.created,
            warnings=tuple(str(p) for p in (*read.warnings, *extra)),
        )
        compiled = compile_agent(request, plugins.catalog)
        plan = _with_problems(compiled.plan, compiled.problems, read, request.file)
        steps = plugins.add_steps(read.spec, plan)
        plan = AgentPlan(plan.agent, plan.folder, plan.file, (*plan.steps, *steps), plan.warnings, plan.lock_inputs)
        read_files = [*(folder / m for m in MANIFESTS), ignore_file, folder / LOCK_NAME]
        read_files += [context / w for w in wants if w.endswith(TEXT_SUFFIXES)]
        looked_for = (w for w in wants if not w.endswith(TEXT_SUFFIXES))
        return plan, read_files, {str(context / w): PRESENT if w in facts.exists else ABSENT for w in looked_for}

    def _manifest(self, folder: Path) -> str:
        found = manifests(folder)
        if len(found) > 1:
            names = " and ".join(found)
            raise SpecError((Problem(self._relative(folder), 0, 0, "", f"{names} are both here; keep one of them"),))
        if not found:
            raise UsageError(f"no agent.yaml in {folder}; `agent init NAME` makes one")
        return found[0]

    def _relative(self, path: Path) -> str:
        relative = os.path.relpath(path, self.state.root)
        return "" if relative == "." else Path(relative).as_posix()

    def _cache_name(self, folder: Path) -> str:
        return fingerprint([self._relative(folder), self.choices.name])[:32]


def _refuse_unknown(read: ReadSpec, catalog: Catalog, file: str) -> None:
    """Names that only plugins know, each refused at its place: valid for `validate`, but nothing can be done with them."""
    spec = read.spec
    asked = (
        (catalog.runtimes, spec.runtime, "spec.runtime"),
        (catalog.builders, spec.build.builder, "spec.build.builder"),
        (catalog.deployers, spec.deploy.target, "spec.deploy.target"),
    )
    problems = tuple(
        Problem(file, *read.positions.get(path, (0, 0)), path, table.unknown(name))
        for table, name, path in asked
        if name and name not in table
    )
    if problems:
        raise SpecError(problems)


def _with_problems(plan: AgentPlan, problems: tuple[tuple[str, str], ...], read: ReadSpec, file: str) -> AgentPlan:
    """What stands in the way of an image is a warning of the plan, and the image step's refusal."""
    if not problems:
        return plan
    texts = [str(Problem(file, *read.positions.get(path, (0, 0)), path, message)) for path, message in problems]
    steps = tuple(
        type(s)(**{**s.__dict__, "action": None, "pending": "\n".join(texts)}) if s.kind in ("dockerfile", "image") else s
        for s in plan.steps
    )
    return AgentPlan(plan.agent, plan.folder, plan.file, steps, (*plan.warnings, *texts), plan.lock_inputs)


def _platform(text: str) -> Platform:
    from aac_tasks.contracts.image import Platform  # lazy, as above

    try:
        return Platform.parse(text)
    except ValueError as error:
        raise UsageError(f"--platform: {error}") from error


def _refuse_twins(agents: Iterable[tuple[str, str]]) -> None:
    """``agents`` are (name, file)."""
    where: dict[str, str] = {}
    for name, file in agents:
        if name in where:
            raise PlanError(f"two agents are called {name!r}: {where[name]} and {file}; rename one (metadata.name)")
        where[name] = file


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
