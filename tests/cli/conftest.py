from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scene import Stage, agent_plan  # its folder is no package


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    stage.agents = (agent_plan("hello"), agent_plan("greeter"))
    return stage
