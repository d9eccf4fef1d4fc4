from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from node_workbench import Registry, npm_tools, serving  # its folder is no package

from aac_tasks.contracts.tools import Tools
from aac_tasks.testing import need


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving(Registry()) as found:
        yield found


@pytest.fixture
def tools(tmp_path: Path, registry: Registry) -> Tools:
    return npm_tools(tmp_path / "user", registry.url)


@pytest.fixture
def npm() -> None:
    """The host's, which resolves."""
    need(shutil.which("npm") is not None, "npm is not installed")
