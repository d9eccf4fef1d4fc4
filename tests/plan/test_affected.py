"""Which agents a change concerns."""

from __future__ import annotations

import pytest

from aac_tasks.contracts.plan import AgentPlan, Plan, Step, TreeRequest
from aac_tasks.plan.affected import affected
from aac_tasks.state.ignore import IgnoreRules


def agent(name: str, tree: TreeRequest | None, folder: str = "") -> AgentPlan:
    place = folder or f"agents/{name}"
    return AgentPlan(name, place, f"{place}/agent.yaml", (Step(f"image:{name}", "image", name, {}, tree=tree),))


PLAN = Plan((
    agent("a", TreeRequest("agents/a", ignore=("**/*.md", "agent.yaml", "agent.lock", ".dockerignore"))),
    agent("ab", TreeRequest("agents/ab")),
    agent("wide", TreeRequest("", ignore=("agents/a",), only=("shared", "agents"))),
    agent("unlocked", None),
))  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "concerned"),
    [
        (("agents/a/main.py",), ("a",)),
        (("agents/a/README.md",), ()),
        (("agents/a/agent.yaml",), ("a",)),
        (("agents/a/agent.lock",), ("a",)),
        (("agents/a/.dockerignore",), ("a",)),
        (("agents/ab/main.py",), ("ab", "wide")),
        (("shared/words.txt",), ("wide",)),
        (("docs/words.txt",), ()),
        (("agents/unlocked/go.mod",), ("wide", "unlocked")),
        (("pyproject.toml",), ("a", "ab", "wide", "unlocked")),
        (("agents/a/pyproject.toml", "agents/ab/x"), ("a", "ab", "wide")),
        ((), ()),
    ],
)
def test_an_agent_is_concerned_by_what_it_reads(changed: tuple[str, ...], concerned: tuple[str, ...]) -> None:
    assert affected(PLAN, changed, lambda patterns: IgnoreRules(patterns).ignores) == concerned
