from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from python_workbench import index_of, make_tools  # its folder is no package

from aac_tasks.contracts.tools import Tools


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    return folder


@pytest.fixture
def index(wheels: Path) -> Iterator[str]:
    with index_of(wheels) as address:
        yield address


@pytest.fixture
def tools(tmp_path: Path, index: str) -> Tools:
    return make_tools(tmp_path / "user", UV_DEFAULT_INDEX=index)
