"""Modules compiled ahead by real engines: read by agents, written by nobody else, never stale."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from real.dockerd import Engine
from real.podman import Podman

from aac_plugins.runners.bytecode import LABEL, MOST, NAME, PLACE
from aac_tasks.testing import Project, Ran

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

AGENT = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: warm, version: "1.0"}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  dependencies: [iniconfig==2.0.0]
  entrypoint: [python3, main.py]
"""
MAIN = "import time\n\ntime.sleep(600)\n"
LOOK = "import iniconfig, json; print(json.dumps([iniconfig.__file__, iniconfig.__cached__, json.__cached__]))"
TOUCH = f"open('{PLACE}/mine', 'w')"


@dataclass(frozen=True)
class Warm:
    """A user with an engine that has nothing compiled ahead."""

    user: Project
    runner: str
    engine: Callable[..., Ran]

    def volumes(self) -> list[str]:
        return [name for name in self.engine("volume", "ls", "-q").ok().stdout.split() if name.startswith(NAME)]

    def start(self, *more: str) -> None:
        self.user.agent("run", "-d", "--runner", self.runner, *more, "warm").ok()

    def again(self, *more: str) -> None:
        self.user.agent("stop", "warm-run").ok()
        self.start(*more)

    def python(self, *words: str) -> Ran:
        return self.user.agent("exec", "warm-run", "--", "python3", *words)

    def layers(self, image: str) -> list[str]:
        found: list[str] = json.loads(self.engine("image", "inspect", "-f", "{{json .RootFS.Layers}}", image).ok().stdout)
        return found

    def clear(self) -> None:
        for name in self.volumes():
            self.engine("volume", "rm", name).ok()

    def filled(self) -> None:
        """Until nothing compiles any more."""
        end = time.monotonic() + 300
        while self.engine("ps", "-aq", "--filter", f"label={LABEL}").ok().stdout.strip():
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture(params=["docker_engine", "containerd_engine", "podman"])
def warm(request: pytest.FixtureRequest, project: Project) -> Iterator[Warm]:
    engine: Engine | Podman = request.getfixturevalue(request.param)
    env, run, runner = (engine.env, engine.docker, "docker") if isinstance(engine, Engine) else (engine.env, engine.run, "podman")
    user = replace(project, env={**project.env, **env}).write({"agent.yaml": AGENT, "main.py": MAIN})
    made = Warm(user, runner, run)
    made.clear()  # of the agents of other tests
    yield made
    made.filled()
    user.agent("stop", "warm-run")
    made.clear()


def test_modules_are_compiled_at_the_second_start_and_read_from_then_on(warm: Warm) -> None:
    warm.start()
    assert warm.volumes() == []
    old = {f"{NAME}old{number}" for number in range(MOST)}
    for name in old:
        warm.engine("volume", "create", "--label", f"{LABEL}=old", name).ok()
    warm.again()
    (volume,) = set(warm.volumes()) - old
    assert len(warm.volumes()) == MOST
    warm.filled()
    path, *cached = json.loads(warm.python("-c", LOOK).ok().stdout)
    assert all(name.startswith(f"{PLACE}/") for name in cached)
    said = warm.python("-v", "-c", "import iniconfig").ok().output
    assert f"code object from '{cached[0]}'" in said
    assert "OSError: [Errno 30]" in warm.python("-c", TOUCH).output

    warm.user.write({"other.py": "WHOSE = 'another'\n"})
    warm.again("-v", f"./other.py:{path}:ro")
    assert warm.python("-c", "import iniconfig; print(iniconfig.WHOSE)").ok().stdout == "another\n"

    made = warm.layers(f"localhost/aac/bytecode:{volume.removeprefix(NAME)}")
    assert made == warm.layers("warm:1.0")[: len(made)]
    assert len(made) == 2  # base and dependencies: the agent's own files have no say in what others run
