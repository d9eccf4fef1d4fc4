"""Locked jars → the files of the dependency layer, and how the stages of a Dockerfile do the same.

Jars lie in /opt/agent/lib under their own names, the probe's class in /opt/agent/probe. What is compiled ends in
/app/target/classes, as classes and not as a jar: a layer holds them as well, and needs no archive with dates in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from aac_plugins.runtimes import java_probe
from aac_plugins.runtimes.java_project import CLASSES, LIBRARIES, Project
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.lock import LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import APP_DIR, Add, Context, DependencyLayer, Instruction, Run, Stage, Write
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError

JAR_MEDIA_TYPE = "application/java-archive"
_PROBE_SOURCE = f"/probe/{java_probe.NAME}.java"


def maven(folder: str, *properties: str) -> tuple[str, ...]:
    """What the shell script `mvn` starts for the project in ``folder``; the toolchain of Debian packages has no shell, and the
    official image the same folders.
    """
    return (
        "java", "-cp", "/usr/share/maven/boot/*", "-Dclassworlds.conf=/usr/share/maven/bin/m2.conf",
        "-Dmaven.home=/usr/share/maven", f"-Dmaven.multiModuleProjectDirectory={folder}", *properties,
        "org.codehaus.plexus.classworlds.launcher.Launcher",
    )  # fmt: skip


def jar_names(files: tuple[LockedFile, ...]) -> Mapping[str, LockedFile]:
    """File name in the image → jar. Two artifacts of one name get their group before it."""
    found: dict[str, LockedFile] = {}
    for file in files:
        name = file.url.rsplit("/", 1)[-1]
        found[name if name not in found else f"{file.name.partition(':')[0]}.{name}"] = file
    return found


def install(locked: LockedDependencies, into: Path, tools: Tools) -> None:
    """Fetch what is missing, then put jars and probe below ``into``.

    Raises:
        StepError: a jar can't be fetched, or is not what was locked.
    """
    fetch(locked.files, tools)
    if locked.files:
        put_jars(locked.files, _folder(into, LIBRARIES), tools)
    _put(_folder(into, java_probe.FOLDER) / f"{java_probe.NAME}.class", java_probe.compiled())


def put_jars(files: tuple[LockedFile, ...], folder: Path, tools: Tools) -> None:
    """Copies of the fetched jars."""
    for name, file in jar_names(files).items():
        shutil.copyfile(tools.blobs.path(_digest(file)), folder / name)
        (folder / name).chmod(0o644)


def put_tree(source: Path, into: Path, target: str) -> None:
    """The files below ``source``, with modes that don't follow anybody's umask."""
    top = _folder(into, target)
    for path in sorted(source.rglob("*")):
        place = top / path.relative_to(source)
        if path.is_dir():
            place.mkdir()
            place.chmod(0o755)
        else:
            _put(place, path.read_bytes())


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o644)


def _folder(into: Path, path: str) -> Path:
    for part in path.strip("/").split("/"):
        into = into / part
        into.mkdir(exist_ok=True)
        into.chmod(0o755)
    return into


def _digest(file: LockedFile) -> Digest:
    return Digest(f"sha256:{file.sha256}")


def fetch(files: tuple[LockedFile, ...], tools: Tools) -> None:
    """Bring what is missing into the store; each must hash to what was locked."""
    from concurrent.futures import ThreadPoolExecutor  # lazy: a plan fetches nothing

    missing = [f for f in files if not tools.blobs.has(f.blob)]
    if missing and tools.offline:
        names = ", ".join(f"{f.name}:{f.version}" for f in missing)
        raise StepError(f"not downloaded yet: {names}", hint="build once without --offline")
    with ThreadPoolExecutor(4) as pool:
        for number, file in enumerate(pool.map(lambda f: _fetch_one(f, tools), missing), 1):
            tools.progress(f"fetched {file.name}:{file.version}", number, len(missing))


def _fetch_one(file: LockedFile, tools: Tools) -> LockedFile:
    with tools.http(HttpRequest("GET", file.url, timeout=120.0)) as answer:
        if answer.status != 200:
            hint = "the repository no longer has this file: run `agent lock`"
            raise StepError(f"{file.url} answered {answer.status}", hint=hint)
        tools.blobs.put(answer.stream(), media_type=JAR_MEDIA_TYPE, expect=_digest(file))
    return file


def layer(locked: LockedDependencies, version: str, toolchain: LockedBase | None, image: str) -> DependencyLayer:
    """The layer as both renderings know it. The stage needs no network but for its ADDs, which the builder verifies."""
    probe = (Write(_PROBE_SOURCE, java_probe.own_text(f"{java_probe.NAME}.java")), Run((*java_probe.COMPILE, _PROBE_SOURCE)))
    stage = Stage("dependencies", (*_adds(locked), *probe), image, toolchain)
    paths = (*((LIBRARIES,) if locked.files else ()), java_probe.FOLDER)
    return DependencyLayer("java", version, locked, paths, stage)


def compiling(project: Project, release: str, locked: LockedDependencies) -> tuple[Instruction, ...]:
    """What a build stage does to have the classes at their place."""
    return tuple(_compiling(project.tool, release, locked))


def _compiling(tool: str, release: str, locked: LockedDependencies) -> Iterator[Instruction]:
    context = Context(APP_DIR)
    if tool == "javac":
        yield from _adds(locked)
        yield Write("/compile/Compile.java", java_probe.own_text("Compile.java"))
        yield context
        yield Run(("java", "/compile/Compile.java", APP_DIR, CLASSES, LIBRARIES, release))
    elif tool == "mvn":
        yield context
        goal = ("-B", "-q", "-f", f"{APP_DIR}/pom.xml", *maven_release(release), "process-classes")
        yield Run((*maven(APP_DIR), *goal), cache=("/root/.m2",))
    else:
        yield Write("/compile/aac.gradle", java_probe.own_text("aac.gradle"))
        yield context
        call = ("gradle", "--no-daemon", "-q", "-I", "/compile/aac.gradle", "-p", APP_DIR, "aacClasses")
        yield Run(call, cache=("/root/.gradle",))


def maven_release(release: str) -> tuple[str, ...]:
    """For a pom.xml that does not say it; maven-compiler-plugin before 3.6 knows only the older two."""
    return tuple(f"-Dmaven.compiler.{name}={release}" for name in ("release", "source", "target")) if release else ()


def _adds(locked: LockedDependencies) -> Iterator[Add]:
    for name, file in jar_names(locked.files).items():
        yield Add(file.url, file.sha256, f"{LIBRARIES}/{name}", mode=0o644)
