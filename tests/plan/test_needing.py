"""Agents that need other agents: their order, and whom a change concerns."""

from __future__ import annotations

import pytest

from aac_tasks.contracts.plan import AgentPlan, Plan, Step
from aac_tasks.errors import PlanError
from aac_tasks.plan.affected import affected
from aac_tasks.plan.needing import dependents, in_order


def agent(name: str, *others: str) -> AgentPlan:
    test = Step(f"test:{name}", "test", name, {}, needs=(f"image:{name}", *(f"test:{other}" for other in others)))
    return AgentPlan(name, name, f"{name}/agent.yaml", (Step(f"image:{name}", "image", name, {}), test))


def names(*plans: AgentPlan) -> list[str]:
    return [plan.agent for plan in in_order(plans)]


def test_an_agent_says_whom_it_needs_and_nobody_else() -> None:
    assert agent("a").others == ()
    assert agent("a", "c", "b", "c").others == ("b", "c")


def test_who_is_needed_comes_first_and_all_others_stay_where_they_are() -> None:
    assert names(agent("a"), agent("b"), agent("c")) == ["a", "b", "c"]
    assert names(agent("a", "c"), agent("b"), agent("c", "d"), agent("d")) == ["d", "c", "a", "b"]
    assert names(agent("a", "elsewhere")) == ["a"]


@pytest.mark.parametrize(
    ("plans", "way"),
    [
        ((agent("a", "a"),), r"an agent needs itself: a → a; take one of them out of spec.services in a/agent.yaml$"),
        ((agent("x", "a"), agent("a", "b"), agent("b", "c"), agent("c", "a")), "need one another: a → b → c → a;"),
    ],
)
def test_a_circle_is_told_without_those_that_only_lead_to_it(plans: tuple[AgentPlan, ...], way: str) -> None:
    with pytest.raises(PlanError, match=way):
        in_order(plans)


def test_a_change_concerns_whoever_needs_what_changed() -> None:
    needs = {"a": ("b",), "b": ("c",), "c": (), "d": ("c",), "e": ()}
    assert dependents([], needs) == set()
    assert dependents(["e"], needs) == {"e"}
    assert dependents(["b"], needs) == {"a", "b"}
    assert dependents(["c"], needs) == {"a", "b", "c", "d"}


def test_files_of_one_that_is_needed_concern_those_that_need_it() -> None:
    plan = Plan((agent("c"), agent("b", "c"), agent("a", "b"), agent("d")))
    assert affected(plan, ["c/agent.yaml"], lambda patterns: lambda path: False) == ("c", "b", "a")
    assert affected(plan, ["a/agent.yaml"], lambda patterns: lambda path: False) == ("a",)
