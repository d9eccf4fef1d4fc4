"""Agents that need other agents: who comes first, and whom a change of one concerns. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from aac_tasks.contracts.plan import AgentPlan
from aac_tasks.errors import PlanError


def in_order(plans: Iterable[AgentPlan]) -> tuple[AgentPlan, ...]:
    """The same plans, each behind those that it needs, as they were otherwise.

    Raises:
        PlanError: agents need one another; the way around is told.
    """
    known = {plan.agent: plan for plan in plans}
    placed: dict[str, AgentPlan] = {}

    def put(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circle = way[way.index(name) :]
            around, files = " → ".join((*circle, name)), " or ".join(known[one].file for one in circle)
            what = "agents need one another" if len(circle) > 1 else "an agent needs itself"
            raise PlanError(f"{what}: {around}; take one of them out of spec.services in {files}")
        if name in placed or name not in known:
            return
        for other in known[name].others:
            put(other, (*way, name))
        placed[name] = known[name]

    for name in known:
        put(name, ())
    return tuple(placed.values())


def dependents(names: Iterable[str], needs: Mapping[str, Collection[str]]) -> set[str]:
    """``names`` and every agent that needs one of them, directly or not; ``needs``: agent → whom it needs."""
    found, left = set(names), list(names)
    while left:
        name = left.pop()
        new = {agent for agent, others in needs.items() if name in others} - found
        found |= new
        left += new
    return found
