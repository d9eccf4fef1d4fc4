"""A registry with a base, and an agent whose own Dockerfile or commands start from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_registry import registry_server
from runner_stage import Stage, shell, stage_of

from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.contracts.image import Digest

AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {{name: own, version: 0.1.0}}
spec:
  runtime: custom
  model: {{provider: openai, name: m}}
  entrypoint: [/bin/cat, /edition]
  build: {build}
"""


@dataclass(frozen=True)
class Shelf:
    """A registry with one base, ``base:1``."""

    address: str
    stage: Stage

    def put(self, edition: str) -> Digest:
        """Let the tag name another image."""
        image = self.stage.image(shell("true"), files={"edition": edition.encode()})
        return DistributionRegistry().push(image, f"{self.address}/team/base:1", self.stage.tools).digest


@pytest.fixture
def shelf(tmp_path: Path, aac_cache: Path) -> Iterator[Shelf]:
    with registry_server(tmp_path / "registry") as address:
        yield Shelf(address, stage_of(tmp_path / "stage", aac_cache))
