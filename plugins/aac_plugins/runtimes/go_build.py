"""Sources → one static program: the same bytes on every machine with the same version of Go.

The version is the lock's: ``GOTOOLCHAIN`` has the go command fetch that very toolchain where the host's is another
(https://go.dev/doc/toolchain). Everything else that could change the bytes is set here, and the user's own settings
(``go env -w``) are left out but for those that say where modules come from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.runtimes.compiled import NETWORK, SOURCES, seen, write_locked
from aac_plugins.runtimes.go_refusals import refused
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.roles import Compilation
from aac_tasks.contracts.tools import Completed, Process, Tools
from aac_tasks.errors import StepError

ORIGINS = ("GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOVCS", "GOAUTH")
"""Where modules come from and who vouches for them (https://go.dev/ref/mod#environment-variables)."""

ENV_FILE = "/run/aac/go.env"
"""In a build stage: the user's `ORIGINS`, where they have any; Go takes a file that is not there for an empty one."""

COLLECTED = {"GOGC": "400"}
"""How seldom the compiler, itself a Go program, collects garbage (https://go.dev/doc/gc-guide#GOGC): a seventh less time for a
quarter more memory, of which the largest package takes 0.4 GB. A user's own GOGC prevails."""

TIMEOUT = 1800.0
"""Seconds; a cold build of a large agent on a small machine."""

ELF = b"\x7fELF"
"""How a program for Linux begins (elf(5))."""

_VERSION = re.compile(r"(?:go)?(\d+(?:\.\d+)+(?:(?:rc|beta)\d+)?)")


@dataclass(frozen=True)
class Go:
    """A Go that works: its version, and the environment of its commands. ``folder`` is where it was asked."""

    version: str
    env: Mapping[str, str]
    folder: Path

    @classmethod
    def found(cls, tools: Tools, folder: Path, toolchain: str) -> Go:
        """The host's go as ``toolchain`` (a name, ``auto`` or ``local``) in ``folder``, fetched if need be.

        Raises:
            StepError: it is missing, or can't be or become that version.
        """
        top = tools.cache / "go"
        own = {"GOPATH": str(top), "GOMODCACHE": str(top / "mod"), "GOCACHE": str(top / "build"), "GOTOOLCHAIN": toolchain,
               "GOFLAGS": "-modcacherw"}  # else nobody but root could clear the cache  # fmt: skip
        own |= COLLECTED | seen(tools, COLLECTED)
        env = {**seen(tools, (*NETWORK, "XDG_CONFIG_HOME", "GOENV", *ORIGINS)), **own, "GOWORK": "off"}
        env |= {"GOPROXY": "off"} if tools.offline else {}
        asked = tools.run(Process(("go", "env", "-json", "GOVERSION", *ORIGINS), cwd=folder, env=env, timeout=600.0))
        if asked.exit_code != 0:
            raise refused(asked.tail, f"{toolchain} can't be had", offline=tools.offline)
        said: dict[str, str] = json.loads(asked.stdout)
        origins = {name: said[name] for name in ORIGINS if said.get(name)}
        network = {name: value for name, value in env.items() if name in NETWORK}
        return cls(version_of(said["GOVERSION"]), {**network, **origins, **own, **settings(Platform())}, folder)

    def run(self, words: tuple[str, ...], folder: Path, tools: Tools, **env: str) -> Completed:
        """``go WORDS`` in ``folder``."""
        return tools.run(Process(("go", *words), cwd=folder, env={**self.env, **env}, timeout=TIMEOUT))


def version_of(text: str) -> str:
    """``1.26.8`` of ``go1.26.8``; StepError for one that was built from no release, which nobody else has."""
    found = _VERSION.match(text.strip())
    if found is None:
        raise StepError(f"go says that it is {text.strip()!r}, which is no release", hint="install one from https://go.dev/dl")
    return found[1]


def settings(platform: Platform) -> dict[str, str]:
    """Everything in the environment that decides about bytes (``go help environment``)."""
    levels = {"amd64": ("GOAMD64", platform.variant or "v1"), "arm": ("GOARM", platform.variant.lstrip("v") or "7")}
    name, level = levels.get(platform.architecture, ("GOARM64", "v8.0"))
    return {
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOENV": "off",
        "GOWORK": "off",
        "GOOS": platform.os,
        "GOARCH": platform.architecture,
        name: level,
    }


def in_stage(platform: Platform, toolchain: str, *words: str, **more: str) -> tuple[str, ...]:
    """``go WORDS`` in a build stage. ``env`` and not ARG: the official image's own GOTOOLCHAIN would prevail."""
    own = {"GOENV": ENV_FILE, "GOMODCACHE": "/go/pkg/mod", "GOCACHE": "/go/cache", "GOTOOLCHAIN": toolchain}
    env = {**settings(platform), **own, **COLLECTED, **more}
    return ("env", *(f"{name}={value}" for name, value in env.items()), "go", "-C", SOURCES, *words)


def own_origins(tools: Tools) -> str:
    """`ORIGINS` as the user set them, as a file that ``GOENV`` can name (``go help env``): by ``go env -w``, or as variables."""
    home = tools.environment("XDG_CONFIG_HOME") or f"{tools.environment('HOME') or ''}/.config"
    file = Path(tools.environment("GOENV") or f"{home}/go/env")
    lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    found.update({name: value for name in ORIGINS if (value := tools.environment(name))})
    return "".join(f"{name}={found[name]}\n" for name in ORIGINS if found.get(name))


def command(program: str, package: str) -> tuple[str, ...]:
    """Without host paths, version control, symbols and build id; go.mod and go.sum are taken as they are."""
    flags = ("-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w -buildid=")
    return ("build", *flags, "-o", program, package)


def compile_program(compilation: Compilation, into: Path, tools: Tools) -> None:
    """The layer's one path, below ``into``.

    Raises:
        StepError: Go in the locked version can't be had, a module is not what go.sum says, or the code does not compile.
    """
    layer, sources = compilation.layer, compilation.sources
    locked = layer.locked.tools.get("go", "")
    if not locked:
        raise StepError("agent.lock names no Go to compile with", hint="install Go, then run `agent lock --update`")
    write_locked(layer.locked, sources)
    go = _of_version(locked, tools)
    program = into / layer.paths[0].lstrip("/")
    program.parent.mkdir(parents=True)
    words = command(str(program), layer.settings.get("package", "."))
    done = go.run(words, sources, tools, **settings(compilation.platform))
    if done.exit_code != 0:
        raise refused(done.tail, "the agent does not compile", offline=tools.offline)
    if program.read_bytes()[:4] != ELF:  # of another package, go makes an archive for the linker
        raise StepError(
            f"the package {words[-1]} is no program", hint="it must say `package main`; another one: spec.config.go.package"
        )


def _of_version(locked: str, tools: Tools) -> Go:
    (tools.cache / "go").mkdir(exist_ok=True)
    go = Go.found(tools, tools.cache / "go", f"go{locked}")
    if go.version != locked:  # a go before 1.21 knows no GOTOOLCHAIN
        raise StepError(
            f"agent.lock was made with Go {locked}, and this machine has {go.version}, which can't fetch it",
            hint="install Go 1.21 or newer, which can, or take yours with `agent lock --update`",
        )
    return go
