"""The runtime ``custom``: the author's own Dockerfile, or a base with the author's files, commands and entrypoint.

With ``build.dockerfile`` an engine builds it and all of its layers become the image's; agent.yaml's labels, environment,
ports, user, entrypoint and probe lie over its configuration. Without one, any builder puts the image together from
``build.baseImage`` (Debian's minimal root unless said), commands need an engine.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from aac_plugins.runtimes.copied_last import taken_apart
from aac_plugins.runtimes.origin import DEBIAN, EPOCH, PACKAGE, apt
from aac_plugins.runtimes.own_dockerfile import OwnDockerfile
from aac_plugins.runtimes.starting import command_of, probe_of
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import ImageRef
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import APP_DIR, ApplicationLayer, DockerfileLayers, Recipe, RecipeLayer
from aac_tasks.contracts.roles import Runtime, RuntimePlan
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.hookspecs import hookimpl

APT = 'apt-get update && apt-get install --yes --no-install-recommends "$@" && rm -rf /var/lib/apt/lists/*'
"""One command, so that no stale list of packages is ever read from a build cache."""

class CustomRuntime:
    """See the module."""

    name = "custom"
    settings_schema: JsonObject | None = None

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        """The own Dockerfile."""
        return (_place(spec),) if spec.build.dockerfile else ()

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        """Of an own Dockerfile the images are locked that it names by tag."""
        if spec.build.dockerfile:
            own = _own(spec, facts)
            problems = (*_own_problems(spec, facts, own), *_dependency_problems(spec))
            images = tuple(BaseRequest("registry", reference) for reference in own.references)
            return RuntimePlan(BaseRequest("scratch", "scratch"), problems=problems, needs=("dockerfile",), images=images)
        problems = (*_problems(spec), *_dependency_problems(spec))
        base, reference = _where(spec) if not problems else ("scratch", "scratch")
        return RuntimePlan(BaseRequest(base, reference, spec.build.system_packages), entrypoint=_argv(spec), problems=problems)

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        """The Dockerfile's layers, or base, system packages and application."""
        build = spec.build
        common = Recipe(
            name=spec.name,
            platform=locked.platform,
            base=locked.base,
            layers=(),
            entrypoint=_argv(spec),
            command=command_of(spec),
            probe=probe_of(spec, lambda probe: probe),
            created=EPOCH,
        )
        if not build.dockerfile:
            layers: tuple[RecipeLayer, ...] = (*apt(spec, locked.base, "/bin/sh", "-c", APT, "apt"), ApplicationLayer())
            return replace(common, layers=layers, workdir=APP_DIR)
        text = _own(spec, facts).pinned(locked.images)
        own = taken_apart(DockerfileLayers(text, posixpath.normpath(build.dockerfile), build.target, dict(build.args)))
        return replace(common, layers=(own,), workdir="", user="")

    def resolve(self, request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
        """There are none."""
        return LockedDependencies()

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None:
        """There are none."""


def _place(spec: AgentSpec) -> str:
    """The Dockerfile relative to the build context; agent.yaml has it relative to its own folder."""
    return posixpath.relpath(spec.build.dockerfile, spec.build.context or ".")


def _own(spec: AgentSpec, facts: Facts) -> OwnDockerfile:
    return OwnDockerfile(facts.texts.get(_place(spec)) or "", spec.build.args)


def _argv(spec: AgentSpec) -> tuple[str, ...]:
    return spec.entrypoint or spec.command


def _where(spec: AgentSpec) -> tuple[str, str]:
    """(base plugin, reference); ValueError when it is no image's name."""
    image = spec.build.base_image
    for prefix, base in (("scratch", "scratch"), ("oci:", "layout"), ("debian:", "debian")):
        if image == prefix or (prefix.endswith(":") and image.startswith(prefix)):
            return base, image
    return ("registry", str(ImageRef.parse(image))) if image else ("debian", DEBIAN)


def _own_problems(spec: AgentSpec, facts: Facts, own: OwnDockerfile) -> Iterator[tuple[str, str]]:
    if not facts.texts.get(_place(spec)):
        yield "spec.build.dockerfile", f"{spec.build.dockerfile} not found in {facts.folder}, or empty; write it"
    build = spec.build
    for line, message in own.problems:
        yield "spec.build.dockerfile", f"{build.dockerfile}:{line}: {message}"
    for name, message in own.unread():
        yield f"spec.build.args.{name}", f"{build.dockerfile} has {message}; add the line ARG {name}, or take it out here"
    said = {"baseImage": build.base_image, "systemPackages": build.system_packages, "commands": build.commands}
    for name, value in said.items():
        if value:
            yield f"spec.build.{name}", f"belongs into {spec.build.dockerfile}, which says the whole image; move it there"


def _problems(spec: AgentSpec) -> Iterator[tuple[str, str]]:
    for number, package in enumerate(spec.build.system_packages):
        if not PACKAGE.fullmatch(package):
            yield f"spec.build.systemPackages[{number}]", f"{package!r} is not a Debian package's name; expected as in libpq5"
    if spec.version:
        yield "spec.runtime", f"runtime custom has no version {spec.version!r}; name an image in build.baseImage"
    try:
        _where(spec)
    except ValueError as error:
        yield "spec.build.baseImage", f"{error}; expected as in alpine:3.20, {DEBIAN} or oci:FOLDER"


def _dependency_problems(spec: AgentSpec) -> Iterator[tuple[str, str]]:
    if spec.dependencies:
        where = spec.build.dockerfile or "build.commands"
        yield "spec.dependencies", f"runtime custom knows no language to install them with; install them in {where}"


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    """For everything that the others don't know."""
    return (CustomRuntime(),)
