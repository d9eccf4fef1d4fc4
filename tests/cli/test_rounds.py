"""What `agent dev` watches."""

from __future__ import annotations

from pathlib import Path

import pytest

from aac_tasks.cli.rounds import folders, wanted
from aac_tasks.contracts.plan import AgentPlan, Step, TreeRequest

ROOT = Path("/top")


def agent(folder: str, tree: str, *ignore: str) -> AgentPlan:
    step = Step("image:a", "image", "a", {}, tree=TreeRequest(tree, ignore))
    return AgentPlan("a", folder, f"{folder}/agent.yaml".lstrip("/"), (step,))


@pytest.mark.parametrize(
    ("plan", "watched"),
    [
        (agent("agents/a", "agents/a"), (ROOT / "agents/a",)),
        (agent("agents/a", "agents/a/src"), (ROOT / "agents/a",)),
        (agent("agents/a", ""), (ROOT,)),
        (agent("agents/a", "agents/b"), (ROOT / "agents/a", ROOT / "agents/b")),
        (agent("", ""), (ROOT,)),
    ],
)
def test_the_agents_folder_and_what_its_image_is_made_of_are_watched_once(plan: AgentPlan, watched: tuple[Path, ...]) -> None:
    assert folders(plan, ROOT) == watched


def test_files_are_wanted_that_the_image_or_the_plan_is_made_of() -> None:
    concerns = wanted(agent("agents/a", "agents/a", "**/*.md", "agent.yaml", "**/.aac"), ROOT)
    for path in ("agents/a/main.py", "agents/a/agent.yaml", "agents/a/agent.lock", "pyproject.toml"):
        assert concerns(ROOT / path), path
    for path in ("agents/a/README.md", "agents/b/main.py", "agents/a/.aac/x", "other.py"):
        assert not concerns(ROOT / path), path
    assert not concerns(Path("/elsewhere/agents/a/main.py"))
