"""The suite for runners, on those without an engine."""

from __future__ import annotations

import os

import pytest
from runner_stage import Stage

from aac_plugins.runners.host import HostRunner
from aac_plugins.runners.runc import OciRuntime
from aac_plugins.runners.userns import UsernsRunner
from aac_tasks.conformance.runners import RunnerConformance
from aac_tasks.contracts.running import Runner
from aac_tasks.testing import need

SHARED = frozenset({"mapped-ports", "restart"})


AS_CALLER = frozenset({"user"}) if os.geteuid() != 0 else frozenset()
"""Only root can become another user."""


class Suite(RunnerConformance):
    """With a crun that works here, see conftest.py."""

    lacks = SHARED

    @pytest.fixture
    def stage(self, stage: Stage) -> Stage:
        return stage

    @pytest.fixture(autouse=True)
    def _root(self, runner: Runner) -> None:
        need(os.geteuid() == 0 or runner.name != "runc", "runc needs root")


class TestCrun(Suite):
    @pytest.fixture
    def runner(self) -> Runner:
        return OciRuntime("crun")


class TestRunc(Suite):
    @pytest.fixture
    def runner(self) -> Runner:
        return OciRuntime("runc")


class TestUserns(Suite):
    lacks = SHARED | {"no-network", "capabilities"}

    @pytest.fixture
    def runner(self) -> Runner:
        return UsernsRunner()


class TestHost(Suite):
    lacks = SHARED | {"root", "read-only", "read-only-mounts", "no-network", "capabilities"} | AS_CALLER

    @pytest.fixture
    def runner(self) -> Runner:
        return HostRunner()
