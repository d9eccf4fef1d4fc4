"""What an engine has of an agent that somebody works on: containers that serve, and what is there ahead of the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from real.developer import until
from real.dockerd import Engine
from real.podman import Podman

from aac_plugins.runners.docker_config import HOLDS
from aac_plugins.runners.standby import LABEL as STANDS_BY
from aac_tasks.testing import Ran

NAME = "dev.agent.name"


def instances(engine: Engine | Podman, name: str = "") -> Instances:
    """Those of one agent, or of all."""
    if isinstance(engine, Engine):
        return Instances(engine.docker, engine.env, "docker", name)
    return Instances(engine.run, engine.env, "podman", name)


@dataclass(frozen=True)
class Instances:
    """``engine`` is its command, ``name`` the agent's."""

    engine: Callable[..., Ran]
    env: Mapping[str, str]
    runner: str
    name: str = ""

    def holders(self) -> list[str]:
        """Those that hold a network."""
        return self._ids(HOLDS)

    def waiting(self) -> list[str]:
        """Those that stand by."""
        return [found for found in self._ids(STANDS_BY) if self._waits(found)]

    def serving(self) -> list[str]:
        """Those in which the agent itself runs, or did."""
        mine = {f"{NAME}={self.name}-dev", f"{NAME}={self.name}-dev-2"} if self.name else {NAME}
        return [found for label in sorted(mine) for found in self._ids(label) if not self._waits(found)]

    def the_one(self) -> str:
        """The one that serves, once what it took over from is gone."""
        found: list[str] = []

        def alone() -> bool:
            """Who is just being made does not wait yet."""
            found[:] = self.serving()
            return len(found) == 1

        until(alone)
        return found[0]

    def stood_by(self) -> bool:
        """Whether the one that serves was there before its image."""
        return self.the_one() in self._ids(STANDS_BY)

    def network(self) -> str:
        """The holder that the one that serves has joined; empty when it has a network of its own."""
        mode = self.engine("inspect", "--format", "{{.HostConfig.NetworkMode}}", self.the_one()).ok().stdout.strip()
        return mode.partition("container:")[2]

    def _ids(self, label: str) -> list[str]:
        return self.engine("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}").ok().stdout.split()

    def _waits(self, container: str) -> bool:
        seen = self.engine("inspect", "--format", "{{.State.Pid}}", container)
        pid = seen.stdout.strip()
        try:
            return seen.exit_code == 0 and Path(f"/proc/{pid}/comm").read_text() == "wait\n"
        except OSError:
            return False
