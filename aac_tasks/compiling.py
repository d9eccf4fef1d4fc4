"""One agent.yaml → its plan: read, look at the facts that its runtime asks for, decide. Loaded only when something changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.plan import AgentPlan
from aac_tasks.discovery import MANIFESTS, TEXT_SUFFIXES, Choices, known_of, manifests, relative
from aac_tasks.errors import Problem, SpecError, UsageError
from aac_tasks.spec.definition import Compiled as Schema
from aac_tasks.spec.definition import compiled
from aac_tasks.spec.reading import ReadSpec, read_by
from aac_tasks.state.ignore import numbered, parse_ignore_file, why_ignored
from aac_tasks.state.lock_file import NAME as LOCK_NAME
from aac_tasks.state.watch import ABSENT, PRESENT

if TYPE_CHECKING:
    from aac_tasks.catalog import Catalog
    from aac_tasks.contracts.image import Platform
    from aac_tasks.plugin_manager import Plugins


@dataclass(frozen=True)
class Compiler:
    """Compiles agents of one run below ``root``. ``plugins`` is called when the first of them is read."""

    root: Path
    choices: Choices
    plugins: Callable[[], Plugins]

    def read(self, folder: Path) -> ReadSpec:
        """The validated spec of one folder (for `validate` and `inspect` as well)."""
        return self._read(folder / self._manifest(folder))

    def _read(self, path: Path) -> ReadSpec:
        return read_by(self._schema, path.read_bytes(), file=relative(path, self.root), profile=self.choices.profile)

    @cached_property
    def _schema(self) -> Schema:
        return compiled(self.settings)

    @cached_property
    def settings(self) -> dict[str, JsonObject]:
        """Settings schemas that plugins bring, by where they are mounted."""
        catalog = self.plugins().catalog
        found: dict[str, JsonObject] = {}
        tables = (("runtime", catalog.runtimes), ("registry", catalog.registries), ("deployer", catalog.deployers))
        for role, table in tables:
            for entry in table:
                if entry.settings_schema is not None:
                    found[f"{role}:{entry.name}"] = entry.settings_schema
        return found

    def compile(self, folder: Path) -> tuple[AgentPlan, list[str], dict[str, str]]:
        """The plan; the files whose content it was made from; the files that need only be there, or be absent."""
        from aac_tasks.plan.compile import Request, compile_agent  # lazy: `validate` only reads
        from aac_tasks.plan.context import context_root  # lazy, as above
        from aac_tasks.plan.naming import named  # lazy, as above

        path = folder / self._manifest(folder)
        here, file = relative(folder, self.root), relative(path, self.root)
        read = self._read(path)
        plugins = self.plugins()
        extra = plugins.check_spec(read.spec)
        if any(p.severity == "error" for p in extra):
            raise SpecError(extra)
        _refuse_unknown(read, plugins.catalog, file)
        context = self.root / context_root(here, read.spec.build.context, file)
        wants, facts = known_of(plugins.catalog.runtimes.get(read.spec.runtime), read.spec, context, folder / LOCK_NAME)
        ignore_file = context / ".dockerignore"
        ignore = ignore_file.read_text(encoding="utf-8") if ignore_file.is_file() else ""
        facts = replace(facts, left_out=_left_out(facts.exists, ignore, relative(ignore_file, self.root)))
        request = Request(
            spec=named(read.spec, self.choices.registry, all_tags=self.choices.all_tags),
            canonical=read.canonical,
            facts=facts,
            folder=here,
            file=file,
            ignore=parse_ignore_file(ignore),
            builder=self.choices.builder,
            platforms=tuple(_platform(p) for p in self.choices.platforms),
            created=self.choices.created,
            warnings=tuple(str(p) for p in (*read.warnings, *extra)),
        )
        made = compile_agent(request, plugins.catalog)
        plan = _with_problems(made.plan, made.problems, read, file)
        steps = plugins.add_steps(read.spec, plan)
        plan = AgentPlan(plan.agent, plan.folder, plan.file, (*plan.steps, *steps), plan.warnings, plan.lock_inputs)
        paths = {w: str(context / w) for w in wants}
        read_files = [*(f"{folder}/{name}" for name in (*MANIFESTS, LOCK_NAME)), str(ignore_file)]
        read_files += [path for w, path in paths.items() if w.endswith(TEXT_SUFFIXES)]
        looked_for = (w for w in wants if not w.endswith(TEXT_SUFFIXES))
        return plan, read_files, {paths[w]: PRESENT if w in facts.exists else ABSENT for w in looked_for}

    def _manifest(self, folder: Path) -> str:
        found = manifests(folder)
        if len(found) > 1:
            names = " and ".join(found)
            file = relative(folder / found[0], self.root)
            raise SpecError((Problem(file, 0, 0, "", f"{names} are both here; keep one of them"),))
        if not found:
            raise UsageError(f"no agent.yaml in {folder}; `agent init NAME` makes one")
        return found[0]


def _left_out(names: Iterable[str], ignore: str, file: str) -> dict[str, str]:
    """Those that go into no image, and why: a line of the agent's ``ignore`` file, or what is left out of every image."""
    from aac_tasks.plan.context import DEFAULT_IGNORE  # lazy, as above

    always = [(f"{line!r}, which every image is without", line) for line in DEFAULT_IGNORE]
    rules = [*always, *((f"{file}:{number} ({line!r})", line) for number, line in numbered(ignore))]
    return {name: said for name in names if (said := why_ignored(name, rules))}


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
    from aac_tasks.contracts.image import Platform  # lazy: only for the flag

    try:
        return Platform.parse(text)
    except ValueError as error:
        raise UsageError(f"--platform: {error}") from error
