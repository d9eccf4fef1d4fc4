"""Every runtime of ours, and the one of examples/plugins, held to the same suite."""

from __future__ import annotations

import pytest
from conformance.strangers import load

from aac_plugins.runtimes.python import PythonRuntime
from aac_tasks.conformance.runtime import RuntimeConformance, RuntimeUnderTest
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase
from aac_tasks.contracts.spec import AgentSpec, Metadata, Model, Port

MODEL = (Model("openai", "gpt-4o-mini"),)


@pytest.mark.network
class TestPython(RuntimeConformance):
    @pytest.fixture
    def subject(self) -> RuntimeUnderTest:
        spec = AgentSpec(Metadata("hello"), "python", models=MODEL, dependencies=("idna==3.10",), ports=(Port(8080),))
        base = LockedBase("debian", "debian:trixie", Platform(), runtime_version="3.13")
        return RuntimeUnderTest(PythonRuntime(), spec, base, {"main.py": "", "requirements.txt": "iniconfig==2.0.0\n"})


class TestStrangersStatic(RuntimeConformance):
    @pytest.fixture
    def subject(self) -> RuntimeUnderTest:
        spec = AgentSpec(Metadata("hello"), "static", models=MODEL)
        base = LockedBase("debian", "debian:trixie", Platform(), runtime_version="3.13")
        return RuntimeUnderTest(load("static").Static(), spec, base, {"./index.html": "", "index.html": "<p>hello</p>"})
