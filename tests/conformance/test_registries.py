"""Every registry of ours, and the one of examples/plugins, held to the same suite."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.strangers import load
from real_registry import registry_server

from aac_plugins.registries.distribution import DistributionRegistry
from aac_plugins.registries.layout import LayoutRegistry
from aac_tasks.conformance.registry import RegistryConformance, RegistryUnderTest


class TestLayout(RegistryConformance):
    @pytest.fixture
    def subject(self) -> RegistryUnderTest:
        return RegistryUnderTest(LayoutRegistry(), "oci:dist:team/hello:1.0", foreign=("ghcr.io/team/hello:1.0",))


class TestDistribution(RegistryConformance):
    @pytest.fixture(scope="class")
    def server(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        with registry_server(tmp_path_factory.mktemp("registry")) as address:
            yield address

    @pytest.fixture
    def subject(self, server: str) -> RegistryUnderTest:
        name = f"{server}/team/hello-{secrets.token_hex(4)}:1.0"
        return RegistryUnderTest(DistributionRegistry(), name, foreign=("oci:dist:team/hello:1.0",))


class TestStrangersFolder(RegistryConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> RegistryUnderTest:
        return RegistryUnderTest(load("folder").Folder(), "folder:out:team/hello:1.0", foreign=("localhost:5000/hello:1",))
