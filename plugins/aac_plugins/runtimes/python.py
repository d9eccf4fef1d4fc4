"""The runtime ``python``: an agent is a script beside its agent.yaml, its dependencies are wheels.

``runtime: python`` runs on Debian stable's own Python, from Debian's packages; ``runtime: python:3.12`` on the
language's official image. ``build.baseImage`` takes the place of either.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from aac_plugins.runtimes import python_install, python_probe, python_requirements, python_resolve
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import ImageRef
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import APP_DIR, ApplicationLayer, CommandLayer, Recipe, RecipeLayer, Run
from aac_tasks.contracts.roles import Runtime, RuntimePlan
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.hookspecs import hookimpl

DEBIAN = "debian:trixie"
SCRIPTS = ("main.py", "app.py")
EPOCH = 315532800
"""1980-01-01, the first date that a zip file can hold (https://reproducible-builds.org/specs/source-date-epoch/)."""

SYSTEM_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The official image's PATH begins with /usr/local/bin, where its Python is; Debian's base has nothing there."""

PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*(=[\w.+:~-]+)?")
"""A Debian package's name (policy 5.6.1), with a version where the author wants one."""


class PythonRuntime:
    """See the module."""

    name = "python"
    settings_schema: JsonObject | None = None

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        """The files that say what it depends on, and its script (that it exists, not what is in it)."""
        script = script_of(argv_of(spec, SCRIPTS[0]))
        return (*python_requirements.FILES, *dict.fromkeys((*SCRIPTS, *([script] if script else []))))

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        """The base by version or ``build.baseImage``; dependencies by the rules of ``python_requirements``."""
        base, problems = _base(spec)
        dependencies, more = python_requirements.read(spec.dependencies, facts.texts)
        argv = argv_of(spec, _default_script(facts))
        return RuntimePlan(base, dependencies, argv, (*problems, *more, *_script_problems(argv, facts)))

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        """Base, system packages that only an engine can add, dependencies, application."""
        base = locked.base
        layers: list[RecipeLayer] = []
        if spec.build.system_packages and base.base != "debian":
            layers.append(_apt(spec.build.system_packages, python_install.interpreter(base)))
        if locked.dependencies.files:
            layers.append(python_install.layer(locked.dependencies, base))
        argv = argv_of(spec, _default_script(facts))
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
            probe=python_probe.probe_of(spec, python_install.interpreter(base)),
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


def argv_of(spec: AgentSpec, script: str) -> tuple[str, ...]:
    """What starts the agent: ``entrypoint``, else ``command``, else Python with ``script``.

    As in a Compose file, ``command`` beside ``entrypoint`` is its arguments. A script named alone is run by Python.
    """
    argv = spec.entrypoint or spec.command or ("python3", script)
    return ("python3", *argv) if argv[0].endswith(".py") else argv


def command_of(spec: AgentSpec) -> tuple[str, ...]:
    """The arguments that stand apart from the entrypoint, so that ``docker run IMAGE …`` replaces them."""
    return (*(spec.command if spec.entrypoint else ()), *spec.args)


def script_of(argv: tuple[str, ...]) -> str:
    """The script that ``argv`` runs, relative to the agent's folder; empty when it runs something else (``-m``, ``-c``)."""
    if not re.fullmatch(r"(.*/)?python(\d[\d.]*)?", argv[0]):
        return ""
    for word in argv[1:]:
        if word in ("-m", "-c", "-"):
            return ""
        if not word.startswith("-"):
            path = posixpath.normpath(posixpath.join(APP_DIR, word))
            return posixpath.relpath(path, APP_DIR) if path.startswith(f"{APP_DIR}/") else ""
    return ""


def _default_script(facts: Facts) -> str:
    return next((s for s in SCRIPTS if s in facts.exists), SCRIPTS[0])


def _script_problems(argv: tuple[str, ...], facts: Facts) -> tuple[tuple[str, str], ...]:
    script = script_of(argv)
    if not script or script in facts.exists:
        return ()
    message = f"{script} not found in {facts.folder}; write it, or name another script: entrypoint: [python3, SCRIPT]"
    return (("spec.entrypoint", message),)


def _base(spec: AgentSpec) -> tuple[BaseRequest, list[tuple[str, str]]]:
    packages = spec.build.system_packages
    problems = [
        (f"spec.build.systemPackages[{i}]", f"{p!r} is not a Debian package's name; expected as in libpq5")
        for i, p in enumerate(packages)
        if not PACKAGE.fullmatch(p)
    ]
    base, reference = "debian", DEBIAN
    version = re.match(r"[\d.]*", spec.version)
    number = version.group(0).rstrip(".") if version else ""
    try:
        base, reference = _where(spec)
    except ValueError as error:
        path = "spec.build.baseImage" if spec.build.base_image else "spec.runtime"
        problems.append((path, f"{error}; expected as in python:3.12-slim, debian:trixie or oci:FOLDER"))
    if base == "scratch":
        problems.append(("spec.build.baseImage", "scratch has no Python; leave baseImage out for a minimal base that has"))
    return BaseRequest(base, reference, packages, "python", number), problems


def _where(spec: AgentSpec) -> tuple[str, str]:
    """(base plugin, reference); ValueError when it is no image's name."""
    image = spec.build.base_image
    if image == "scratch":
        return "scratch", image
    for prefix, base in (("oci:", "layout"), ("debian:", "debian")):
        if image.startswith(prefix):
            return base, image
    if image:
        return "registry", str(ImageRef.parse(image))
    if not spec.version:
        return "debian", DEBIAN
    tag = spec.version if "-" in spec.version else f"{spec.version}-slim"
    return "registry", str(ImageRef("docker.io", "library/python", tag))


APT = (
    "import shutil, subprocess, sys; subprocess.check_call(['apt-get', 'update']); "
    "subprocess.check_call(['apt-get', 'install', '--yes', '--no-install-recommends', *sys.argv[1:]]); "
    "shutil.rmtree('/var/lib/apt/lists')"
)
"""One command, so that no stale list of packages is ever read from a build cache; run by the base's own Python."""


def _apt(packages: tuple[str, ...], interpreter: str) -> CommandLayer:
    """Only an engine can do this; its package versions are those of the day."""
    return CommandLayer((Run((interpreter, "-c", APT, *sorted(packages)), {"DEBIAN_FRONTEND": "noninteractive"}),))


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    """The language of most agents."""
    return (PythonRuntime(),)
