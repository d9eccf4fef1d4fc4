"""Which packages make a minimal root, per language, and which dependencies it does without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aac_plugins.debian.closure import Universe, parse_relations
from aac_tasks.errors import StepError

ALWAYS = ("base-files", "libc-bin", "ca-certificates", "netbase", "tzdata")
"""Release name and licence texts, the C.UTF-8 locale, TLS roots, service names, time zones: what the official
slim images of the languages hold too."""

STATIC = "static"
"""Asked for as a runtime: programs that bring all of their libraries. Then there is no C library, unless a package needs it."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "libc-bin": ("usr/lib/locale/C.utf8/",),
    "ca-certificates": ("usr/share/ca-certificates/",),  # its program is a shell script
}
"""Packages of which only some folders are wanted; their copyright file always comes along."""

NOT_FOLLOWED: Mapping[str, str] = {
    "dpkg": "unpacks packages; nothing is installed in a finished image",
    "debconf": "asks questions while a package is installed",
    "debconf-2.0": "the same, by its virtual name",
    "adduser": "adds users while a package is installed",
    "init-system-helpers": "registers services with an init that a container does not have",
    "install-info": "indexes manuals, which are left out",
    "sensible-utils": "chooses an editor for a person",
    "ucf": "asks about changed configuration while a package is installed",
    "update-inetd": "registers services with inetd",
}
"""Dependencies that maintainer scripts have: no such script is run here. Asked for by name, they do come."""

_JRE = r"(openjdk-\d+|default)-jre-headless"
_EDGES: tuple[tuple[str, str, str], ...] = (
    (
        "ca-certificates",
        "openssl",
        "only its script update-ca-certificates calls it; the bundle is written without",
    ),
    ("base-files", "awk", "only its maintainer scripts call it"),
    ("nodejs", "node-corepack", "brings package managers"),
    (_JRE, "ca-certificates-java", "makes a key store, which is written here without (keystore.py)"),
    (_JRE, "java-common", "chooses between several JREs while one is installed"),
    (r"openjdk-\d+-jre-headless", "util-linux", "only its maintainer scripts call it"),
)


def left_out(needing: str, needed: str) -> bool:
    """Whether ``needing`` works here without ``needed``."""
    if needed in NOT_FOLLOWED:
        return True
    return any(needed == to and re.fullmatch(from_, needing) for from_, to, _ in _EDGES)


@dataclass(frozen=True)
class Language:
    """How a language is packaged.

    ``versioned`` matches the package whose name carries the version (group 1) or, without a group, the one
    package that has the version of the language. ``meta`` is the package whose dependencies say which one is
    the default. ``packages``, ``program`` (the interpreter) and ``links`` (path → target) may hold ``{v}``;
    links are made where no package brings the path.
    """

    name: str
    versioned: str
    meta: str
    packages: tuple[str, ...]
    program: str
    links: Mapping[str, str] = field(default_factory=dict)


LANGUAGES: Mapping[str, Language] = {
    language.name: language
    for language in (
        Language(
            "python",
            versioned=r"python(3\.\d+)-minimal",
            meta="python3-minimal",
            packages=("python{v}-minimal", "libpython{v}-stdlib"),
            program="/usr/bin/python{v}",
            # python3 is what the package python3-minimal links, python what python-is-python3 does; both
            # would bring scripts that only package installation needs.
            links={"usr/bin/python3": "python{v}", "usr/bin/python": "python3"},
        ),
        Language("nodejs", versioned="nodejs", meta="nodejs", packages=("nodejs",), program="/usr/bin/node"),
        Language(
            "java",
            versioned=r"openjdk-(\d+)-jre-headless",
            meta="default-jre-headless",
            packages=("openjdk-{v}-jre-headless",),
            program="/usr/bin/java",
            links={
                "usr/bin/java": "../lib/jvm/java-{v}-openjdk/bin/java",
                "usr/lib/jvm/java-{v}-openjdk": "java-{v}-openjdk-{arch}",
            },
        ),
        # Toolchains: nobody runs an agent in them. Build stages use env and install, which coreutils brings.
        Language(
            "go",
            versioned=r"golang-(1\.\d+)-go",
            meta="golang-go",
            packages=("golang-{v}-go", "coreutils"),
            program="/usr/bin/go",
            links={"usr/bin/go": "../lib/go-{v}/bin/go"},
        ),
        Language(
            "rust",
            versioned="rustc",
            meta="rustc",
            packages=("rustc", "cargo", "gcc", "libc6-dev", "coreutils"),
            program="/usr/bin/cargo",
            links={"usr/bin/cc": "gcc"},  # update-alternatives makes it while gcc is installed
        ),
        Language(
            "jdk",
            versioned=r"openjdk-(\d+)-jdk-headless",
            meta="default-jdk-headless",
            packages=("openjdk-{v}-jdk-headless",),
            program="/usr/bin/javac",
            links={
                "usr/bin/java": "../lib/jvm/java-{v}-openjdk/bin/java",
                "usr/bin/javac": "../lib/jvm/java-{v}-openjdk/bin/javac",
                "usr/lib/jvm/java-{v}-openjdk": "java-{v}-openjdk-{arch}",
            },
        ),
    )
}


@dataclass(frozen=True)
class Choice:
    """A language in one version: the packages to have, the version as people say it (``3.13``), its program."""

    packages: tuple[str, ...]
    version: str = ""
    program: str = ""


def choose(universe: Universe, runtime: str, version: str, suite: str) -> Choice:
    """The packages of ``runtime`` in ``version`` (empty: the release's default).

    StepError when the release lacks it, naming those it has.
    """
    if not runtime:
        return Choice((*ALWAYS, "libc6"))
    if runtime == STATIC:
        return Choice(tuple(package for package in ALWAYS if package != "libc-bin"))
    if runtime not in LANGUAGES:
        raise StepError(
            f"runtime {runtime!r} has no package list in the Debian base (known: {', '.join(LANGUAGES)})",
            hint="name an image under spec.build.baseImage",
        )
    language = LANGUAGES[runtime]
    available = _versions(universe, language)
    named = {name: v for name, (v, full) in available.items() if _is(full, version)} if version else {}
    default = _default(universe, language, available)
    if version and not named:
        have = ", ".join(sorted({v for v, _ in available.values()})) or "none"
        raise StepError(
            f"Debian {suite} has {runtime} {have}, not {version}",
            hint=f"leave the version out (runtime: {runtime}), or name an image that has it under spec.build.baseImage",
        )
    chosen = named.get(default) or (named[max(named)] if named else available[default][0])
    packages = (*ALWAYS, *(package.format(v=chosen) for package in language.packages))
    return Choice(packages, chosen, language.program.format(v=chosen))


def _versions(universe: Universe, language: Language) -> dict[str, tuple[str, str]]:
    """Package → the version as people say it, and in full."""
    found: dict[str, tuple[str, str]] = {}
    for name in universe.names(language.versioned.partition("(")[0].replace("\\", "")):
        match = re.fullmatch(language.versioned, name)
        record = universe.best(name) if match else None
        if match is not None and record is not None:
            full = _upstream(record.version)
            found[name] = (match[1] if match.groups() else ".".join(full.split(".")[:2]), full)
    return found


def _default(universe: Universe, language: Language, available: Mapping[str, tuple[str, str]]) -> str:
    meta = universe.best(language.meta)
    needs = [option.name for group in parse_relations(meta.depends) for option in group] if meta else []
    for name in (language.meta, *needs):
        if name in available:
            return name
    raise StepError(f"this Debian release has no package for {language.name}", hint="name one that has, or an image")


def _upstream(version: str) -> str:
    """``2:3.13.5-2+deb13u5`` → ``3.13.5``: without epoch, revision and repacking marks."""
    return re.split(r"[^0-9.]", version.rpartition(":")[2], maxsplit=1)[0].strip(".")


def _is(full: str, asked: str) -> bool:
    """Whether ``asked`` (``3``, ``3.13``, ``3.13.5``) names ``full``, part by part."""
    parts = asked.split(".")
    return full.split(".")[: len(parts)] == parts


def links(runtime: str, version: str, architecture: str) -> dict[str, str]:
    """Links that ``runtime`` gets: path → target."""
    language = LANGUAGES.get(runtime)
    made = language.links.items() if language else ()
    return {path.format(v=version): to.format(v=version, arch=architecture) for path, to in made}
