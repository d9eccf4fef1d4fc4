"""What languages have in common whose agents are one program: a minimal base under it, a probe and a few files beside it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from aac_plugins.runtimes.origin import DEBIAN, EPOCH, PACKAGE, number
from aac_plugins.runtimes.starting import command_of, probe_of
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import HealthProbe, ImageRef
from aac_tasks.contracts.lock import BaseRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.recipe import APP_DIR, ApplicationLayer, CommandLayer, CompiledLayer, Recipe, RecipeLayer, Run
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools

PROBE = "/opt/agent/probe"
"""Where the program is that asks the agent whether it is well; it is compiled too, for the image has no other."""

SOURCES = "/src"
"""Where a build stage has the build context."""

NETWORK = (
    "HOME", "PATH", "TMPDIR", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
"""What a tool that fetches may see of the user's environment."""

_FILE = re.compile(r"(?!-)[A-Za-z0-9._+@-]+(?:/[A-Za-z0-9._+@-]+)*")
_APT = 'apt-get update && apt-get install --yes --no-install-recommends "$@" && rm -r /var/lib/apt/lists'

Problems = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Toolchain:
    """Where a language's compiler comes from: ``runtime`` is its name in agent.yaml, ``image`` that of its official image."""

    runtime: str
    image: str

    def asked(self, spec: AgentSpec) -> tuple[BaseRequest, Problems]:
        """The image that an engine compiles in: Debian's packages, or the official image of the version."""
        if not spec.version:
            return BaseRequest("debian", DEBIAN, runtime=self.runtime), ()
        try:
            reference = str(ImageRef("docker.io", f"library/{self.image}", spec.version))
        except ValueError as error:
            return BaseRequest("debian", DEBIAN, runtime=self.runtime), (("spec.runtime", str(error)),)
        return BaseRequest("registry", reference, runtime=self.runtime, version=number(spec.version)), ()

    def official(self, version: str) -> str:
        """The official image of ``version``, for a Dockerfile whose lock names no toolchain."""
        return f"docker.io/library/{self.image}:{version or 'latest'}"


def base_of(spec: AgentSpec, minimal: BaseRequest) -> tuple[BaseRequest, Problems]:
    """``build.baseImage``, else ``minimal``, with the system packages; and what is wrong with them."""
    packages, image = spec.build.system_packages, spec.build.base_image
    problems = [
        (f"spec.build.systemPackages[{i}]", f"{p!r} is not a Debian package's name; expected as in libpq5")
        for i, p in enumerate(packages)
        if not PACKAGE.fullmatch(p)
    ]
    if not image or image.startswith("debian:"):
        return replace(minimal, reference=image or minimal.reference, packages=(*minimal.packages, *packages)), tuple(problems)
    if image == "scratch" or image.startswith("oci:"):
        return BaseRequest("scratch" if image == "scratch" else "layout", image, packages), tuple(problems)
    try:
        reference = str(ImageRef.parse(image))
    except ValueError as error:
        problems.append(("spec.build.baseImage", f"{error}; expected as in {DEBIAN}, alpine:3.22, oci:FOLDER or scratch"))
        return minimal, tuple(problems)
    return BaseRequest("registry", reference, packages), tuple(problems)


def schema_of(language: str, **own: JsonObject) -> JsonObject:
    """The settings of a compiled language: its ``own``, and the files that come along."""
    files: JsonObject = {
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "description": "Files and folders of the build context that the agent reads at run time: they come to /app. "
        "Nothing else of the context is in the image.",
    }
    return {
        "type": "object",
        "description": f"How an agent in {language} is compiled, and what comes along with it.",
        "properties": {**own, "files": files},
        "additionalProperties": False,
    }


def setting(spec: AgentSpec, runtime: str, name: str) -> str:
    """A text of ``spec.config.<runtime>``, empty when it is not there."""
    table = spec.config.get(runtime)
    return str(table.get(name) or "") if isinstance(table, Mapping) else ""


def files_of(spec: AgentSpec, runtime: str) -> tuple[tuple[str, ...], Problems]:
    """``spec.config.<runtime>.files``, cleaned; and which of them can't be."""
    table = spec.config.get(runtime)
    named = cast("list[str]", table.get("files") or []) if isinstance(table, Mapping) else []
    clean = [posixpath.normpath(name) for name in named]
    problems = [
        (f"spec.config.{runtime}.files[{i}]", f"{named[i]!r} is no path in the build context; expected as in data/a.txt")
        for i, name in enumerate(clean)
        if name in (".", "..") or name.startswith("../") or not _FILE.fullmatch(name)
    ]
    return tuple(dict.fromkeys(clean)), tuple(problems)


def program_of(spec: AgentSpec) -> str:
    """Where the agent's program is in the image."""
    return f"{APP_DIR}/{spec.name}"


def asking(probe: HealthProbe) -> HealthProbe:
    """The same probe; its command asks it from inside."""
    words = (PROBE, str(probe.port), f"{probe.timeout:g}")
    if probe.type == "http":
        return replace(probe, command=(*words, probe.path))
    return replace(probe, command=words) if probe.type == "tcp" else probe


def start_of(spec: AgentSpec) -> tuple[str, ...]:
    """What starts the agent: ``entrypoint``, else ``command``, else its program."""
    return spec.entrypoint or spec.command or (program_of(spec),)


def recipe_of(spec: AgentSpec, runtime: str, locked: LockedPlatform, agent: CompiledLayer, probe: CompiledLayer) -> Recipe:
    """From what seldom changes to what often does: system packages, the probe, files, the agent."""
    asked = probe_of(spec, asking)
    files, _ = files_of(spec, runtime)
    layers: list[RecipeLayer] = [*_apt(spec, locked.base)]
    layers += [probe] if asked and asked.command and asked.command[0] == PROBE else []
    layers += [ApplicationLayer(only=files)] if files else []
    return Recipe(
        name=spec.name,
        platform=locked.platform,
        base=locked.base,
        layers=(*layers, agent),
        entrypoint=start_of(spec),
        command=command_of(spec),
        probe=asked,
        created=EPOCH,
    )


def _apt(spec: AgentSpec, base: LockedBase) -> tuple[CommandLayer, ...]:
    """Only an engine can do this; an image with apt-get has a shell. The names are arguments and not part of its text."""
    packages = spec.build.system_packages
    if not packages or base.base == "debian":
        return ()
    words = ("/bin/sh", "-c", _APT, "sh", *sorted(packages))
    return (CommandLayer((Run(words, {"DEBIAN_FRONTEND": "noninteractive"}),)),)


def asked_version(requirements: Iterable[str], tool: str) -> tuple[str, tuple[str, ...]]:
    """The version of ``tool`` among requirements (``go@1.24``; empty: any), and the others."""
    mark = f"{tool}@"
    rest = tuple(r for r in requirements if not r.startswith(mark))
    return next((r.removeprefix(mark) for r in requirements if r.startswith(mark)), ""), rest


def is_version(full: str, asked: str) -> bool:
    """Whether ``asked`` (``1``, ``1.24``, ``1.24.3``) names ``full``, part by part."""
    parts = asked.split(".")
    return full.split(".")[: len(parts)] == parts


def write_locked(locked: LockedDependencies, sources: Path) -> None:
    """The locked texts beside the sources. An equal file keeps its time: tools compare times."""
    for name, text in locked.texts.items():
        path = sources / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def seen(tools: Tools, names: Iterable[str]) -> dict[str, str]:
    """Those of the user's variables that are set."""
    values = {name: tools.environment(name) for name in names}
    return {name: value for name, value in values.items() if value}
