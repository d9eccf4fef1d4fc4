"""Every deployer of ours, held to the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aac_plugins.deployers.process import ProcessDeployer
from aac_plugins.runners.host import HostRunner
from aac_plugins.runners.userns import UsernsRunner
from aac_tasks.conformance.deployer import DeployerConformance, DeployerUnderTest
from aac_tasks.conformance.stage import Stage


class TestProcess(DeployerConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Iterator[DeployerUnderTest]:
        stage, isolated = Stage(tmp_path), UsernsRunner()
        runner = isolated if isolated.probe(stage.tools).works else HostRunner()
        yield DeployerUnderTest(ProcessDeployer(), runner, stage)
        stage.finish()
