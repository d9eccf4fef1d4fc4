"""The host's JDK, Maven and Gradle: which there are, what they may see, and how they are called."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aac_tasks.contracts.tools import Completed, Process, Tools
from aac_tasks.errors import StepError

PASSED_ON = ("HOME", "PATH", "LANG", "MAVEN_OPTS", "MAVEN_ARGS", "GRADLE_OPTS", "SSL_CERT_FILE")
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
"""One version for everybody: what it prints is read here."""

SHORT = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""What some seconds are too short for is left out (``java`` manual page, "Advanced Options"): compiling takes a third less."""

LEAST_MAJOR = 11
"""The first JDK that starts a program from its source, and the oldest that Maven's plugins of today run on."""


@dataclass(frozen=True)
class Jdk:
    """Where it is, and the number that people call it by (``17``)."""

    home: Path
    major: str


def major(version: str) -> str:
    """``21`` of ``21.0.5``, ``8`` of ``1.8.0_432``; empty when there is no number."""
    found = re.match(r"(?:1\.)?(\d+)", version)
    return found.group(1) if found else ""


def find_jdk(tools: Tools) -> Jdk:
    """$JAVA_HOME, else the ``javac`` on PATH.

    Raises:
        StepError: there is none, or one that is too old.
    """
    home = tools.environment("JAVA_HOME")
    program = Path(home, "bin/javac") if home else tools.which("javac")
    if program is None or not program.exists():
        where = f"in JAVA_HOME ({home})" if home else "on PATH"
        hint = "install a JDK (Debian: apt install default-jdk-headless), or use --builder docker"
        raise StepError(f"no javac {where}", hint=hint)
    place = program.resolve()
    number = _told(place.parent.parent) or _asked(place, tools)
    if int(number) < LEAST_MAJOR:
        hint = "install a newer JDK, or set JAVA_HOME to one"
        raise StepError(f"{place} is JDK {number}; {LEAST_MAJOR} or later is needed", hint=hint)
    return Jdk(place.parent.parent, number)


def _told(home: Path) -> str:
    """What the JDK's own file says (https://openjdk.org/jeps/220); empty where it has none, as behind a script of that name."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        found = re.search(r'^JAVA_VERSION="([^"]*)"', (home / "release").read_text(), re.MULTILINE)
        return major(found[1]) if found else ""
    return ""


def _asked(javac: Path, tools: Tools) -> str:
    """What it says itself, a tenth of a second later."""
    done = tools.run(Process((str(javac), "-version"), env=_passed_on(tools), timeout=60.0))
    number = major((done.stdout + done.stderr).strip().removeprefix("javac "))
    if done.exit_code != 0 or not number:
        raise StepError(f"{javac} does not say its version", tail=done.tail, hint="install the JDK anew")
    return number


def run_maven(goals: tuple[str, ...], folder: Path, tools: Tools) -> Completed:
    """Maven in ``folder``: as far as it goes without a network, else with it; files that don't match their checksum are refused.

    Its repository is ours, below the cache. One process writes to it at a time; who writes nothing waits for nobody.
    """
    with _repository(tools, alone=False) as repository:
        done = _maven((*goals, "-o"), folder, repository, tools)
    if done.exit_code == 0 or tools.offline or "offline" not in done.stdout + done.stderr:
        return done
    tools.progress("Maven downloads")
    with _repository(tools, alone=True) as repository:
        return _maven(goals, folder, repository, tools)


def _maven(goals: tuple[str, ...], folder: Path, repository: Path, tools: Tools) -> Completed:
    program = tools.which("mvn")
    if program is None:
        raise StepError(
            "mvn is not installed; it resolves Java dependencies when agent.lock is written, and compiles what has a pom.xml",
            hint="install it (Debian: apt install maven), or use --builder docker",
        )
    words = (str(program), *maven_words(goals, str(folder), str(repository), tools))
    return _run(words, folder, tools, MAVEN_OPTS=tools.environment("MAVEN_OPTS") or " ".join(SHORT))


def maven_words(goals: tuple[str, ...], folder: str, repository: str, tools: Tools) -> tuple[str, ...]:
    """What Maven is told, here or in an image; ``-C`` refuses files that don't match their checksum."""
    common = ("-B", "-C", "-Dstyle.color=never", f"-Dmaven.repo.local={repository}", *_proxies(tools))
    return (*common, "-f", f"{folder}/pom.xml", *goals)


def run_gradle(arguments: tuple[str, ...], folder: Path, tools: Tools) -> Completed:
    """Gradle in ``folder``, without a daemon that outlives it; its caches are ours."""
    program = tools.which("gradle")
    if program is None:
        raise StepError("gradle is not installed", hint="install it (https://gradle.org/install), or use --builder docker")
    home = tools.cache / "gradle"
    offline = ("--offline",) if tools.offline else ()
    common = ("--no-daemon", "-q", "-g", str(home), "-p", str(folder), *offline, *_proxies(tools))
    return _run((str(program), *common, *arguments), folder, tools)


def _run(argv: tuple[str, ...], folder: Path, tools: Tools, **more: str) -> Completed:
    env = {**_passed_on(tools), "JAVA_HOME": str(find_jdk(tools).home), **more}
    return tools.run(Process(argv, cwd=folder, env=env, timeout=900.0))


def run_java(arguments: tuple[str, ...], folder: Path, jdk: Jdk, tools: Tools) -> Completed:
    """The JDK's own ``java`` in ``folder``, for a program that soon ends."""
    return tools.run(Process((str(jdk.home / "bin/java"), *SHORT, *arguments), cwd=folder, env=_passed_on(tools), timeout=900.0))


def _passed_on(tools: Tools) -> dict[str, str]:
    values = {name: tools.environment(name) for name in PASSED_ON}
    return {name: value for name, value in values.items() if value is not None}


def _proxies(tools: Tools) -> Iterator[str]:
    """Java reads no HTTPS_PROXY: the same, as its own properties (JDK documentation, "Networking Properties")."""
    for scheme in ("http", "https"):
        name = f"{scheme}_proxy"
        address = tools.environment(name) or tools.environment(name.upper())
        parts = urlsplit(address) if address else None
        if parts and parts.hostname:
            yield f"-D{scheme}.proxyHost={parts.hostname}"
            yield f"-D{scheme}.proxyPort={parts.port or 80}"
    without = tools.environment("no_proxy") or tools.environment("NO_PROXY")
    if without:
        hosts = (name.strip() for name in without.split(","))
        yield f"-Dhttp.nonProxyHosts={'|'.join(f'*{host}' if host.startswith('.') else host for host in hosts)}"


@contextlib.contextmanager
def _repository(tools: Tools, *, alone: bool) -> Iterator[Path]:
    folder = tools.cache / "maven"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield folder
    finally:
        os.close(descriptor)
