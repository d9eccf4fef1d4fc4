"""Health probes that need nothing but the image's Java: a small class of ours beside the libraries.

It is compiled for Java 8, so that every JRE runs it, and comes compiled: a JRE has no compiler. A Dockerfile compiles its
source, to the same bytes (a test compares them).
"""

from __future__ import annotations

import importlib.resources
from dataclasses import replace

from aac_plugins.runtimes import starting
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.spec import AgentSpec

FOLDER = "/opt/agent/probe"
NAME = "AgentProbe"
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", FOLDER, NAME)
"""Starts in 50 ms: the fast compiler only, one collector thread, the JDK's classes from its shared archive."""

COMPILE = ("javac", "--release", "8", "-g:none", "-Xlint:-options", "-d", FOLDER)


def own_text(name: str) -> str:
    """A text that travels with this package."""
    return importlib.resources.files("aac_plugins.runtimes").joinpath(f"java_files/{name}").read_text("utf-8")


def compiled() -> bytes:
    """The class file."""
    return importlib.resources.files("aac_plugins.runtimes").joinpath(f"java_files/{NAME}.class").read_bytes()


def probe_of(spec: AgentSpec) -> HealthProbe | None:
    """``healthCheck`` as written, else TCP on the first port, else none; ``command`` is what runs inside the image."""
    return starting.probe_of(spec, with_command)


def with_command(probe: HealthProbe) -> HealthProbe:
    """The same probe; its command asks it from inside."""
    if probe.type not in ("http", "tcp"):
        return probe
    path = (probe.path,) if probe.type == "http" else ()
    return replace(probe, command=(*JAVA, str(probe.port), f"{probe.timeout:g}", *path))
