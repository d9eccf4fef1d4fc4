"""Compiles an agent with the host's JDK, and Maven or Gradle where they are its build tool."""

from __future__ import annotations

import shutil
from pathlib import Path

from aac_plugins.runtimes import java_install, java_probe, java_refusals
from aac_plugins.runtimes.java_project import CLASSES
from aac_plugins.runtimes.java_tools import Jdk, find_jdk, run_gradle, run_java, run_maven
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.roles import Compilation
from aac_tasks.contracts.tools import Completed, Tools
from aac_tasks.errors import StepError

COMPILER = "Compile.java"
"""What calls the JDK's compiler, the same here and in an image."""

FIRST_CLASS_FORMAT = 44
"""Class files of Java N have the major version 44 + N (JVM specification, table 4.1-A)."""


def compile_(compilation: Compilation, into: Path, tools: Tools) -> None:
    """Classes and resources below ``into``/app/target/classes.

    Raises:
        StepError: no JDK, another one than the lock says, or code that does not compile or not run on the image's Java.
    """
    jdk = _locked_jdk(compilation, tools)
    built = compilation.sources / "target"
    if built.exists():  # a class whose source is gone would be left in it
        shutil.rmtree(built)
    tool = compilation.layer.settings["tool"]
    done = _compile(tool, compilation, jdk, tools)
    if done.exit_code != 0:
        raise java_refusals.uncompiled(done.stdout + done.stderr, compilation.sources, tool)
    classes = built / "classes"
    if not any(classes.rglob("*.class")):
        raise StepError(f"{tool} compiled nothing: there are no classes", hint="put the sources into src/main/java")
    _check_format(classes, compilation.layer.settings.get("java", ""))
    java_install.put_tree(classes, into, CLASSES)


def _locked_jdk(compilation: Compilation, tools: Tools) -> Jdk:
    locked = compilation.layer.locked.tools.get("javac", "")
    jdk = find_jdk(tools)
    if jdk.major != locked:
        raise StepError(
            f"agent.lock says JDK {locked or '(none)'}, here is JDK {jdk.major} ({jdk.home}); another JDK writes other classes",
            hint=f"set JAVA_HOME to a JDK {locked}, or take this one: remove agent.lock and run `agent lock`",
        )
    return jdk


def _compile(tool: str, compilation: Compilation, jdk: Jdk, tools: Tools) -> Completed:
    sources, release = compilation.sources, compilation.layer.settings.get("release", "")
    if tool == "mvn":
        return run_maven(("-q", *java_install.maven_release(release), "process-classes"), sources, tools)
    with tools.scratch() as folder:
        if tool == "gradle":
            own = folder / "aac.gradle"
            own.write_text(java_probe.own_text(own.name), "utf-8")
            return run_gradle(("-I", str(own), "aacClasses"), sources, tools)
        libraries = folder / "lib"
        libraries.mkdir()
        java_install.fetch(compilation.layer.locked.files, tools)
        java_install.put_jars(compilation.layer.locked.files, libraries, tools)
        words = (*_compiler(jdk, tools), ".", "target/classes", str(libraries), release)
        return run_java(words, sources, jdk, tools)


def _compiler(jdk: Jdk, tools: Tools) -> tuple[str, ...]:
    """Our own program, compiled once by that JDK and kept: to start it from its source takes a fifth of the whole."""
    text = java_probe.own_text(COMPILER)
    kept = tools.cache / "java" / fingerprint([text, jdk.major])[:16]
    if not kept.is_dir():
        with tools.scratch() as folder:
            (folder / COMPILER).write_text(text, "utf-8")
            done = run_java(("--module", "jdk.compiler/com.sun.tools.javac.Main", "-d", "made", COMPILER), folder, jdk, tools)
            if done.exit_code != 0:
                raise StepError(f"JDK {jdk.major} can't compile a program", tail=done.tail, hint="install the JDK anew")
            kept.parent.mkdir(exist_ok=True)
            _keep(folder / "made", kept)
    return ("-cp", str(kept), COMPILER.removesuffix(".java"))


def _keep(made: Path, place: Path) -> None:
    """Moved there, unless another run was faster."""
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _check_format(classes: Path, java: str) -> None:
    """No class may be newer than the image's Java: it would fail when it is first used, not when it is built."""
    for path in sorted(classes.rglob("*.class")) if java else ():
        with path.open("rb") as file:
            number = int.from_bytes(file.read(8)[6:8], "big") - FIRST_CLASS_FORMAT
        if number > int(java):
            name = path.relative_to(classes).as_posix()
            raise StepError(
                f"{name} is compiled for Java {number}, the image has Java {java}",
                hint=f"set the compiler's release to {java} in the build file, or take runtime: java:{number}",
            )
