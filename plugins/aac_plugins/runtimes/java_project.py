"""What a Java agent is made of, read from the files its author wrote. Pure: text in, decisions out.

Which tool compiles it, first that there is: Maven (``pom.xml``), Gradle (``build.gradle``, ``build.gradle.kts``); else the
jar that ``entrypoint`` names, or ``app.jar``, is taken as it is; else javac compiles the folder, with
``spec.dependencies`` as Maven coordinates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from aac_tasks.contracts.lock import DependencyRequest
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import APP_DIR
from aac_tasks.contracts.spec import AgentSpec

if TYPE_CHECKING:
    from xml.etree import ElementTree

POM = "pom.xml"
GRADLE = ("build.gradle", "build.gradle.kts")
GRADLE_TEXTS = (*GRADLE, "settings.gradle", "settings.gradle.kts", "gradle.properties", "gradle.lockfile",
                "gradle/libs.versions.toml")  # fmt: skip
JAR = "app.jar"
MAIN_SOURCES = ("src/main/java/Main.java", "src/main/java/App.java", "Main.java", "App.java")
REPOSITORIES = "repositories"
"""The name under which a request holds addresses of Maven repositories, one a line."""

CLASSES = f"{APP_DIR}/target/classes"
LIBRARIES = "/opt/agent/lib"

CLASS_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")
_PART = r"[\w.+-]+"
_COORDINATES = re.compile(rf"({_PART}):({_PART}):({_PART})(?::({_PART}))?")
_GRADLE_MAIN = re.compile(r"^\s*main(?:Class(?:Name)?)?(?:\.set\(\s*|\s*=\s*|\s+)['\"]([\w.$]+)['\"]", re.MULTILINE)
_HAS_CLASSPATH = ("-cp", "-classpath", "--class-path", "-p", "--module-path", "-m", "--module", "-jar")
_TAKES_A_WORD = ("--add-modules", "--add-opens", "--add-exports", "--add-reads", "--upgrade-module-path", "--source")

Problems = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Project:
    """``tool`` compiles it: ``mvn``, ``gradle``, ``javac``; empty when ``jar`` is there already. ``main`` is the main class."""

    tool: str
    jar: str = ""
    main: str = ""

    @property
    def classpath(self) -> str:
        """What ``java -cp`` gets; a name with ``*`` stands for every jar of a folder."""
        return f"{APP_DIR}/{self.jar}:{LIBRARIES}/*" if self.jar else f"{CLASSES}:{LIBRARIES}/*"


def wants(spec: AgentSpec) -> tuple[str, ...]:
    """The files that say what it is: their texts, or that they are there."""
    jar = _jar_of(spec.entrypoint or spec.command)
    return tuple(dict.fromkeys((POM, *GRADLE_TEXTS, *MAIN_SOURCES, JAR, *([jar] if jar else []))))


def read(spec: AgentSpec, facts: Facts) -> Project:
    """Which tool compiles it, and where it starts."""
    if POM in facts.exists:
        return Project("mvn", main=_setting(spec) or _main_of_pom(facts.texts.get(POM) or "") or _by_name(facts))
    build = next((name for name in GRADLE if name in facts.exists), "")
    if build:
        found = _GRADLE_MAIN.search(facts.texts.get(build) or "")
        return Project("gradle", main=_setting(spec) or (found.group(1) if found else _by_name(facts)))
    jar = _jar_of(spec.entrypoint or spec.command) or JAR
    if jar in facts.exists:
        return Project("", jar, _setting(spec))
    return Project("javac", main=_setting(spec) or _by_name(facts))


def request(spec: AgentSpec, facts: Facts, project: Project) -> tuple[DependencyRequest, Problems]:
    """What the resolver is asked, and what stands in its way as (spec path, message) pairs."""
    groups = ("compile",) if project.tool else ()
    names = {"mvn": (POM,), "gradle": GRADLE_TEXTS}.get(project.tool, ())
    files = {name: text for name in names if (text := facts.texts.get(name)) is not None}
    problems = _pom_problems(files.get(POM, ""))
    if files and spec.dependencies:
        message = f"{next(iter(files))} says what this agent depends on; list {spec.dependencies[0]!r} there"
        return DependencyRequest(files=files, groups=groups), (*problems, ("spec.dependencies", message))
    wrong = ((f"spec.dependencies[{i}]", t) for i, d in enumerate(spec.dependencies) if (t := _trouble(d)))
    own = spec.config.get("java")
    addresses = own.get(REPOSITORIES, ()) if isinstance(own, Mapping) else ()
    if isinstance(addresses, list | tuple) and addresses and not files:
        files = {REPOSITORIES: "".join(f"{address}\n" for address in addresses)}
    return DependencyRequest(tuple(d.strip() for d in spec.dependencies), files, groups), (*problems, *wrong)


def coordinates(text: str) -> tuple[str, str, str, str]:
    """Group, artifact, version and classifier ("" without one) of ``group:artifact:version[:classifier]``."""
    found = _COORDINATES.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no Maven coordinate")
    return found.group(1), found.group(2), found.group(3), found.group(4) or ""


def _trouble(text: str) -> str:
    expected = "expected GROUP:ARTIFACT:VERSION, as in com.google.code.gson:gson:2.10.1"
    try:
        version = coordinates(text)[2]
    except ValueError:
        return f"{text!r} is no Maven coordinate; {expected}"
    if version in ("LATEST", "RELEASE") or version.endswith("-SNAPSHOT"):
        return f"{text!r}: {version} means another file every day and can't be locked; name a released version"
    return ""


def _setting(spec: AgentSpec) -> str:
    own = spec.config.get("java")
    main = own.get("mainClass") if isinstance(own, Mapping) else None
    return main if isinstance(main, str) else ""


def _by_name(facts: Facts) -> str:
    source = next((name for name in MAIN_SOURCES if name in facts.exists), "")
    return source.rsplit("/", 1)[-1].removesuffix(".java")


def _pom_problems(text: str) -> Problems:
    if not text:
        return ()
    if "<!DOCTYPE" in text:
        return (("spec.runtime", f"{POM} has a DOCTYPE, which no pom.xml needs; take it out"),)
    from xml.etree import ElementTree  # lazy, as below: only an agent that has the file pays for the parser

    try:
        root = ElementTree.fromstring(text)  # noqa: S314  # entities need a DOCTYPE, which was refused
    except ElementTree.ParseError as error:
        return (("spec.runtime", f"{POM} is not XML: {error}; mend the file"),)
    modules = [(e.text or "").strip() for e in root.iter() if _local(e) == "module"]
    if modules:
        message = f"{POM} has modules ({', '.join(modules)}); put agent.yaml into the folder of the one that is the agent"
        return (("spec.runtime", message),)
    return ()


def _main_of_pom(text: str) -> str:
    """The first that there is: a plugin's ``<mainClass>``, then the properties that plugins read."""
    from xml.etree import ElementTree

    if not text or _pom_problems(text):
        return ""
    root = ElementTree.fromstring(text)  # noqa: S314  # as above
    values = {_local(e): (e.text or "").strip() for e in root.iter() if len(e) == 0}
    for name in ("mainClass", "exec.mainClass", "main.class", "start-class", "Main-Class"):
        value = re.sub(r"\$\{([^}]+)\}", lambda m: values.get(m.group(1), ""), values.get(name, ""))
        if CLASS_NAME.fullmatch(value):
            return value
    return ""


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _jar_of(words: tuple[str, ...]) -> str:
    """The jar that ``words`` start, relative to the agent's folder."""
    named = [after for word, after in pairwise(words) if word == "-jar"]
    if len(words) == 1 and words[0].endswith(".jar"):
        named = [words[0]]
    jar = named[0].removeprefix(f"{APP_DIR}/").removeprefix("./") if named else ""
    return jar if jar and not jar.startswith("/") else ""


def argv(spec: AgentSpec, project: Project) -> tuple[str, ...]:
    """What starts the agent: ``entrypoint``, else ``command``, else Java with the main class or the jar.

    The way people write it (``java -jar app.jar``, ``java Main``, ``java Main.java``) means the classes that were compiled.
    """
    words = spec.entrypoint or spec.command
    if len(words) == 1 and words[0].endswith((".jar", ".java")):
        words = ("java", "-jar", words[0]) if words[0].endswith(".jar") else ("java", words[0])
    if not words:
        with_jar = project.jar and not (spec.dependencies or project.main)
        return ("java", "-jar", project.jar) if with_jar else ("java", "-cp", project.classpath, project.main)
    return tuple(_started(words, project)) if re.fullmatch(r"(.*/)?java", words[0]) else words


def _started(words: tuple[str, ...], project: Project) -> Iterator[str]:
    where = _first_argument(words)
    given = set(words[:where]) & set(_HAS_CLASSPATH)
    if "-jar" in given and project.tool:
        at = words.index("-jar")
        return iter((*words[:at], "-cp", project.classpath, project.main, *words[at + 2 :]))
    if given or where >= len(words):
        return iter(words)
    name = words[where].removeprefix("./").removeprefix("src/main/java/")
    main = name.removesuffix(".java").replace("/", ".") if name.endswith(".java") else name
    return iter((*words[:where], "-cp", project.classpath, main, *words[where + 1 :]))


def _first_argument(words: tuple[str, ...]) -> int:
    """Where the options of ``java`` end: the index of the class or file that it starts."""
    index = 1
    while index < len(words) and words[index].startswith(("-", "@")):
        index += 2 if words[index] in (*_HAS_CLASSPATH, *_TAKES_A_WORD) else 1
    return index
