from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from plugins.compiled.compile_bench import module_proxy, tools_in

from aac_tasks.steps.tools import StepTools
from aac_tasks.testing import need


@pytest.fixture
def go(tmp_path: Path, aac_cache: Path) -> StepTools:
    """Tools of a machine with Go; modules come from a folder, compiled packages of the standard library are shared."""
    need(shutil.which("go"), "Go is not installed")
    proxy = module_proxy(tmp_path / "proxy")
    tools = tools_in(tmp_path / "user", GOPROXY=proxy, GOSUMDB="off", HOME=str(tmp_path))
    shared = aac_cache / "go-build"
    shared.mkdir(parents=True, exist_ok=True)
    (tools.cache / "go").mkdir()
    (tools.cache / "go/build").symlink_to(shared)
    return tools


@pytest.fixture
def rust(tmp_path: Path) -> StepTools:
    """Tools of a machine with Rust and a C compiler; crates come from crates.io."""
    need(shutil.which("cargo") and shutil.which("cc"), "Rust or a C compiler is not installed")
    return tools_in(tmp_path / "user")
