"""How an agent in an interpreted language is started, and asked whether it is well."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.quantities import seconds
from aac_tasks.contracts.recipe import APP_DIR
from aac_tasks.contracts.spec import AgentSpec


@dataclass(frozen=True)
class Starter:
    """What runs scripts. ``program`` starts the default script, ``named`` matches its other names; ``suffixes`` are those of
    scripts; ``inline`` are the flags behind which no script follows, ``valued`` those behind which a value does.
    """

    program: str
    named: str
    suffixes: tuple[str, ...]
    inline: tuple[str, ...]
    valued: tuple[str, ...] = ()

    def argv(self, spec: AgentSpec, default: tuple[str, ...]) -> tuple[str, ...]:
        """What starts the agent: ``entrypoint``, else ``command``, else ``default``.

        As in a Compose file, ``command`` beside ``entrypoint`` is its arguments. A script named alone is run by the program.
        """
        argv = spec.entrypoint or spec.command or default
        return (self.program, *argv) if argv[0].endswith(self.suffixes) else argv

    def script(self, argv: tuple[str, ...]) -> str:
        """The script that ``argv`` runs, relative to the agent's folder; empty when it runs something else."""
        if not re.fullmatch(f"(.*/)?{self.named}", argv[0]):
            return ""
        for before, word in pairwise(argv):
            if word in self.inline:
                return ""
            if not word.startswith("-") and before not in self.valued:
                path = posixpath.normpath(posixpath.join(APP_DIR, word))
                return posixpath.relpath(path, APP_DIR) if path.startswith(f"{APP_DIR}/") else ""
        return ""

    def problems(self, script: str, spec: AgentSpec, facts: Facts) -> tuple[tuple[str, str], ...]:
        """That the script is not there, or will not be in the image, as (spec path, message)."""
        if script in facts.left_out and not spec.build.commands:  # which may make it in the image
            message = f"{script} would not be in the image: it is left out by {facts.left_out[script]}"
            return (("spec.entrypoint", f"{message}; add `!{script}` as the last line of .dockerignore"),)
        if not script or script in facts.exists:
            return ()
        named = f"entrypoint: [{self.program}, SCRIPT]"
        return (("spec.entrypoint", f"{script} not found in {facts.folder}; write it, or name another script: {named}"),)


def command_of(spec: AgentSpec) -> tuple[str, ...]:
    """The arguments that stand apart from the entrypoint, so that ``docker run IMAGE …`` replaces them."""
    return (*(spec.command if spec.entrypoint else ()), *spec.args)


def probe_of(spec: AgentSpec, with_command: Callable[[HealthProbe], HealthProbe]) -> HealthProbe | None:
    """``healthCheck`` as written, else TCP on the first port, else none; ``with_command`` says what runs inside the image.

    Defaults are those of Docker's HEALTHCHECK: every 30 s, 30 s to answer, 3 tries. A curl that only asks a URL was
    read as an http check already, when agent.yaml was.
    """
    first = spec.ports[0].container if spec.ports else 0
    check = spec.health_check
    if check is None:
        return with_command(HealthProbe("tcp", port=first)) if first else None
    return with_command(
        HealthProbe(
            type=check.type,
            path=check.path or "/",
            port=check.port or first,
            command=check.command,
            interval=_seconds(check.interval, 30.0),
            timeout=_seconds(check.timeout, 30.0),
            retries=check.retries if check.retries is not None else 3,
            start_period=_seconds(check.start_period, 0.0),
        )
    )


def _seconds(text: str, default: float) -> float:
    return seconds(text) if text else default
