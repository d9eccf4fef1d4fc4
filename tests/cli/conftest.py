from __future__ import annotations

from pathlib import Path

import pytest
from cli.scene import Stage, agent_plan


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    stage.agents = (agent_plan("hello"), agent_plan("greeter"))
    return stage
