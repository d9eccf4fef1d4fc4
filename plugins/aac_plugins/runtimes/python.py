"""The runtime ``python``: an agent is a script beside its agent.yaml, its dependencies are wheels.

``runtime: python`` runs on Debian stable's own Python, from Debian's packages; ``runtime: python:3.12`` on the
language's official image. ``build.baseImage`` takes the place of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aac_plugins.runtimes import python_install, python_probe, python_requirements, python_resolve
from aac_plugins.runtimes.origin import EPOCH, SYSTEM_PATH, apt
from aac_plugins.runtimes.starting import Starter, command_of, probe_of
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.lock import DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import APP_DIR, ApplicationLayer, Recipe, RecipeLayer
from aac_tasks.contracts.roles import Runtime, RuntimePlan
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.hookspecs import hookimpl

SCRIPTS = ("main.py", "app.py")
STARTER = Starter("python3", r"python(\d[\d.]*)?", (".py",), ("-m", "-c", "-"), ("-W", "-X"))


class PythonRuntime:
    """See the module."""

    name = "python"
    settings_schema: JsonObject | None = None

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        """The files that say what it depends on, and its script (that it exists, not what is in it)."""
        script = STARTER.script(STARTER.argv(spec, ("python3", SCRIPTS[0])))
        return (*python_requirements.FILES, *dict.fromkeys((*SCRIPTS, *([script] if script else []))))

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        """The base by version or ``build.baseImage``; dependencies by the rules of ``python_requirements``."""
        base, problems = python_install.PYTHON.asked(spec)
        dependencies, more = python_requirements.read(spec.dependencies, facts.texts)
        argv = STARTER.argv(spec, _default(facts))
        return RuntimePlan(base, dependencies, argv, (*problems, *more, *STARTER.problems(STARTER.script(argv), spec, facts)))

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        """Base, system packages that only an engine can add, dependencies, application."""
        base, interpreter = locked.base, python_install.PYTHON.interpreter(locked.base)
        layers: list[RecipeLayer] = [*apt(spec, base, interpreter, "-c", APT)]
        if locked.dependencies.files:
            layers.append(python_install.layer(locked.dependencies, base))
        argv = STARTER.argv(spec, _default(facts))
        return Recipe(
            name=spec.name,
            platform=locked.platform,
            base=base,
            layers=(*layers, ApplicationLayer()),
            env={
                "PATH": f"{python_install.PREFIX}/bin:{SYSTEM_PATH}",
                "PYTHONUSERBASE": python_install.PREFIX,
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
            },
            workdir=APP_DIR,
            entrypoint=argv,
            command=command_of(spec),
            probe=probe_of(spec, lambda probe: python_probe.with_command(probe, interpreter)),
            created=EPOCH,
        )

    def resolve(self, request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
        """One wheel per package; see ``python_resolve``."""
        return python_resolve.resolve(request, base, tools)

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None:
        """Unpacked wheels below /opt/agent; see ``python_install``."""
        python_install.install(locked, base, into, tools)

    def fetch(self, locked: LockedDependencies, tools: Tools) -> None:
        """Wheels in the store, to be lent to an engine."""
        python_install.fetch(locked, tools)


def _default(facts: Facts) -> tuple[str, ...]:
    return ("python3", next((s for s in SCRIPTS if s in facts.exists), SCRIPTS[0]))


APT = (
    "import shutil, subprocess, sys; subprocess.check_call(['apt-get', 'update']); "
    "subprocess.check_call(['apt-get', 'install', '--yes', '--no-install-recommends', *sys.argv[1:]]); "
    "shutil.rmtree('/var/lib/apt/lists')"
)
"""One command, so that no stale list of packages is ever read from a build cache; run by the base's own Python."""


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    """The language of most agents."""
    return (PythonRuntime(),)
