"""What the parts of the suite for runners share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from aac_tasks.conformance.stage import Stage
from aac_tasks.contracts.running import ISOLATION, Runner, RunRequest
from aac_tasks.testing import need

CAN_LACK: Mapping[str, str] = {
    "root": "an own root: paths of the image are those of the image (it has the host's instead)",
    "read-only": "a root that can't be written to",
    "read-only-mounts": "mounts that can't be written to",
    "mapped-ports": "a port inside that is another outside",
    "user": "a user other than its own (it runs as another plain user)",
    "no-network": "no network at all",
    "capabilities": "capabilities that are asked for",
    "restart": "starting an agent again when it ends",
}
"""What a runner may lack, and what that means."""


class RunnerBasis:
    """Its fixtures."""

    lacks: ClassVar[frozenset[str]] = frozenset()

    @pytest.fixture
    def runner(self) -> Runner:
        """The runner under test."""
        raise NotImplementedError("give the suite a fixture `runner`")

    @pytest.fixture
    def stage(self) -> Iterator[Stage]:
        """Tools in a folder that any user may enter, as a workspace usually is."""
        with tempfile.TemporaryDirectory(prefix="aac-suite-", ignore_cleanup_errors=True) as name:
            Path(name).chmod(0o755)
            made = Stage(Path(name))
            yield made
            made.finish()

    @pytest.fixture(autouse=True)
    def _works(self, runner: Runner, stage: Stage) -> None:
        probe = runner.probe(stage.tools)
        need(probe.works, f"{runner.name}: {probe.reason}")
        assert probe.isolation in ISOLATION
        assert self.lacks <= set(CAN_LACK)

    def said_by_one(self, runner: Runner, stage: Stage, request: RunRequest) -> str:
        """What an agent says that ends by itself; its exit code must be 0."""
        instance = stage.start(runner, request)
        assert stage.ended(runner, instance)
        assert runner.status(instance, stage.tools).exit_code == 0, stage.said_by(request)
        runner.stop(instance, stage.tools)
        return stage.said_by(request)
