"""An agent that needs a store, and a registry that has its image."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent

from real.kill_shots import Ground
from real.kill_yard import SERVER, Yard, make_base
from real_registry import free_port
from runner_stage import Stage, shell

from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.testing import Project, clean_environment

STORE = 'echo "$EDITION $WORD $1" > said; id -u > user; exec httpd -f -p "0.0.0.0:${PORT:-{port}}" -h .'
ASK = "wget -qO- http://$STORE_HOST:$STORE_PORT/said; echo $STORE_URL"
AGENT = dedent(SERVER) + """\
  entrypoint: [/bin/sh, -c, 'exec httpd -f -p "{address}:${{PORT:-{port}}}" -h www']
  image: {{registry: oci:dist}}
"""
NEEDS = """\
  services:
    store: {{image: '{image}', environment: [{{name: WORD, value: hello}}], command: [given]}}
  tests:
    - {{name: asks its store, type: command, command: [/bin/sh, -c, '{ask}'], expect: {{stdout: '{expect}'}}}}
"""


@dataclass(frozen=True)
class Shop:
    """One agent, and a registry with what it needs; ``port`` is the store's, ``own`` the agent's."""

    project: Project
    stage: Stage
    registry: str
    port: int
    own: int
    address: str = "127.0.0.1"

    @property
    def image(self) -> str:
        return f"{self.registry}/team/store:1"

    def put(self, edition: str, script: str = STORE, **more: object) -> str:
        """Let the tag name that edition of the store; the name that agent.lock will hold."""
        entrypoint = ("/bin/sh", "-c", script.replace("{port}", str(self.port)), "store")
        config = replace(
            shell("", env=("PATH=/bin", f"EDITION={edition}"), working_dir="/data", exposed_ports=(f"{self.port}/tcp",)),
            entrypoint=entrypoint,
        )
        image = self.stage.image(replace(config, **more))  # type: ignore[arg-type]
        digest = DistributionRegistry().push(image, self.image, self.stage.tools).digest
        return f"{self.registry}/team/store@{digest}"

    def write(self, expect: str = "first hello given", rest: str = NEEDS, ask: str = ASK, name: str = "front") -> None:
        port = free_port() if name != "front" else self.own
        text = (AGENT + rest).format(name=name, port=port, image=self.image, ask=ask, expect=expect, address=self.address)
        self.project.sub(name).write({"agent.yaml": text, "www/index.html": "well\n"})
        time.sleep(0.1)

    def edit(self, old: str, new: str) -> None:
        """Of agent.yaml, older than the next run."""
        text = self.project.read("front/agent.yaml")
        assert old in text
        self.project.write({"front/agent.yaml": text.replace(old, new)})
        time.sleep(0.1)

    def outcomes(self, *words: str) -> dict[str, str]:
        steps = json.loads(self.project.agent(*words, "--json").ok().stdout)["steps"]
        return {one["step"]: one["status"] for one in steps}

    def done(self, *words: str) -> list[str]:
        """Steps that were not up to date."""
        return [step for step, status in self.outcomes(*words).items() if status not in ("fresh", "skipped")]

    def left(self) -> list[object]:
        """Records and processes that a test left."""
        records = self.project.folder.glob(".aac/agents/*/test/**/running.json")
        return [*records, *Ground(self.project.folder, self.project.folder, "front").processes().values()]


def make_shop(top: Path, registry: str, runner: str, address: str = "127.0.0.1") -> Shop:
    project = Project(top / "project", clean_environment(top / "home", top / "cache"))
    for folder in ("project", "home", "cache", "stage"):
        (top / folder).mkdir(parents=True)
    make_base(Yard(top, "front"))
    settings = f'[tool.aac]\nrunner = "{runner}"\nallow-host = true\n'
    project.write({"pyproject.toml": settings, ".dockerignore": "base\n*.tar\n"})
    return Shop(project, Stage(top / "stage"), registry, free_port(), free_port(), address)
