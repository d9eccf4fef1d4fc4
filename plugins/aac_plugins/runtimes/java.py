"""The runtime ``java``: a project of Maven or Gradle, plain sources, or a jar that is there.

``runtime: java`` runs on the JRE of Debian stable; ``runtime: java:21`` on the image of Eclipse Temurin 21.
``build.baseImage`` takes the place of either. A source edit rebuilds one small layer: libraries have their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from aac_plugins.runtimes import java_install, java_probe, java_project, java_tools
from aac_plugins.runtimes.origin import EPOCH, Language
from aac_plugins.runtimes.starting import command_of
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.engines import ToolchainImage
from aac_tasks.contracts.image import ImageRef
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import APP_DIR, ApplicationLayer, CompiledLayer, Recipe, RecipeLayer, Stage
from aac_tasks.contracts.roles import Compilation, Runtime, RuntimePlan
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.hookspecs import hookimpl

JAVA = Language("java", "Java", "eclipse-temurin", "21-jre", "java", "java", "jre")
_ALONE = (
    "java -jar looks into no other jar, so spec.dependencies would not be found; leave entrypoint out and name the class to "
    "start: config: {java: {mainClass: com.example.Main}}"
)
NEWEST = "21"
"""The Java that a toolchain image is named for where the version of the base is not known."""

SETTINGS: JsonObject = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "mainClass": {
            "type": "string",
            "pattern": rf"^{java_project.CLASS_NAME.pattern}$",
            "description": "The class to start, where neither a build file nor a Main.java says it.",
            "examples": ["com.example.Main"],
            "x-effect": ["dockerfile", "image"],
        },
        "repositories": {
            "type": "array",
            "items": {"type": "string", "format": "uri", "pattern": "^https?://[^@\\s]+$"},
            "description": "Maven repositories for `dependencies`, asked before Maven Central.",
            "examples": [["https://repo.example.org/maven2"]],
            "x-effect": ["lock", "dockerfile", "image"],
        },
    },
}


class JavaRuntime:
    """See the module."""

    name = "java"
    lends: tuple[str, ...] = ("mvn", "gradle", "javac")
    settings_schema: JsonObject | None = SETTINGS

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        """The build files, the jar, and the sources that may hold ``main``."""
        return java_project.wants(spec)

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        """The base by version or ``build.baseImage``; the tool by the rules of ``java_project``."""
        project = java_project.read(spec, facts)
        base, problems = JAVA.asked(spec)
        dependencies, more = java_project.request(spec, facts, project)
        argv = java_project.argv(spec, project)
        if "" in argv:
            problems.append(("spec.config.java.mainClass", _no_main(project, facts)))
        if project.jar and spec.dependencies and "-jar" in argv:
            problems.append(("spec.entrypoint", _ALONE))
        resolving = ("tool:mvn",) if spec.dependencies or project.tool == "mvn" else ()
        tools = (*resolving, *(("tool:javac",) if project.tool else ()), *(("tool:gradle",) if project.tool == "gradle" else ()))
        return RuntimePlan(base, dependencies, argv, (*problems, *more), tools, _toolchain(base, project))

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        """Base, libraries and probe, then the classes (or the jar that is there)."""
        project, dependencies = java_project.read(spec, facts), locked.dependencies
        java = java_tools.major(locked.base.runtime_version or spec.version)
        image = "" if locked.toolchain else f"docker.io/{_toolchain_image(project, java or NEWEST)}"
        layers: list[RecipeLayer] = [java_install.layer(dependencies, java, locked.toolchain, image)]
        if project.tool:
            release = _release(facts, java, locked)
            stage = Stage("build", java_install.compiling(project, release, dependencies), image, locked.toolchain)
            settings = {"tool": project.tool, "release": release, "java": java}
            layers.append(CompiledLayer("java", java, dependencies, (java_project.CLASSES,), stage, settings))
        else:
            layers.append(ApplicationLayer())
        return Recipe(
            name=spec.name,
            platform=locked.platform,
            base=locked.base,
            layers=tuple(layers),
            workdir=APP_DIR,
            entrypoint=java_project.argv(spec, project),
            command=command_of(spec),
            probe=java_probe.probe_of(spec),
            created=EPOCH,
        )

    def resolve(self, request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
        """One jar per artifact; see ``java_resolve``."""
        from aac_plugins.runtimes import java_resolve  # lazy: a plan needs none of it

        return java_resolve.resolve(request, tools)

    def resolve_in(self, request: DependencyRequest, image: ToolchainImage, tools: Tools) -> LockedDependencies:
        """The same by the Maven or Gradle of a toolchain image, or of one like it that has Maven."""
        from aac_plugins.runtimes import java_resolve  # lazy: as above

        return java_resolve.resolve_in(request, _with_maven(image) if request.requirements else image, tools)

    def settings(self, tools: Tools) -> Mapping[str, str]:
        """Where jars come from: the user's ``settings.xml``, for Maven."""
        own = Path(tools.environment("HOME") or "/", ".m2/settings.xml")
        return {"/root/.m2/settings.xml": own.read_text("utf-8")} if own.is_file() else {}

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None:
        """Jars and probe below /opt/agent; see ``java_install``."""
        java_install.install(locked, into, tools)

    def compile(self, compilation: Compilation, into: Path, tools: Tools) -> None:
        """Classes below /app/target/classes; see ``java_compile``."""
        from aac_plugins.runtimes import java_compile  # lazy: as above

        java_compile.compile_(compilation, into, tools)


def _release(facts: Facts, java: str, locked: LockedPlatform) -> str:
    """The Java that is compiled for: the image's, or the JDK's where that is older. What a pom.xml says of it stays."""
    if re.search(r"maven\.compiler\.|<(release|source|target)>", facts.texts.get(java_project.POM) or ""):
        return ""
    jdk = locked.toolchain.runtime_version if locked.toolchain else locked.dependencies.tools.get("javac", "")
    known = [int(n) for n in (java, java_tools.major(jdk)) if n]
    return str(min(known)) if known else NEWEST


def _no_main(project: java_project.Project, facts: Facts) -> str:
    looked = {"mvn": f"{java_project.POM} names no mainClass", "gradle": "the build file names no mainClass"}
    where = looked.get(project.tool, f"there is no {java_project.JAR} and no Main.java in {facts.folder}")
    if project.jar:
        where = f"{project.jar} can't say so beside spec.dependencies"
    return f"{where}; name the class to start: config: {{java: {{mainClass: com.example.Main}}}}"


def _toolchain(base: BaseRequest, project: java_project.Project) -> BaseRequest:
    """Where an engine compiles: Debian's JDK beside Debian's JRE, else the official images of the build tools."""
    if base.base == "debian" and project.tool != "gradle":
        return BaseRequest("debian", base.reference, ("maven",) if project.tool == "mvn" else (), "jdk", base.version)
    image = _toolchain_image(project, java_tools.major(base.version) or NEWEST)
    repository, _, tag = image.partition(":")
    return BaseRequest("registry", str(ImageRef("docker.io", repository, tag)), (), "java")


def _with_maven(image: ToolchainImage) -> ToolchainImage:
    """Plain sources are compiled in an image without it."""
    locked = image.locked
    if "/maven:" in locked.reference or any(file.name == "maven" for file in locked.files):
        return image
    if locked.base == "debian":
        return image.other(BaseRequest("debian", locked.reference, ("maven",), "jdk", locked.runtime_version))
    java = java_tools.major(locked.runtime_version) or NEWEST
    reference = f"docker.io/{_toolchain_image(java_project.Project('mvn'), java)}"
    return image.other(BaseRequest("registry", reference, (), "java"))


def _toolchain_image(project: java_project.Project, java: str) -> str:
    images = {"mvn": f"library/maven:3-eclipse-temurin-{java}", "gradle": f"library/gradle:jdk{java}"}
    return images.get(project.tool, f"library/{JAVA.image}:{java}-jdk")


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    """The language of many companies."""
    return (JavaRuntime(),)
