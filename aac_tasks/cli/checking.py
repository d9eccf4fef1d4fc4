"""`agent build --check`: whether a build could begin, without building: spec, plan, builder, and what it says of Dockerfiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.stepping import asked_agents, looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.plan import PENDING_LOCK, AgentPlan, Plan
from aac_tasks.state.lock_file import NAME as LOCK_NAME
from aac_tasks.state.lock_file import read_lock
from aac_tasks.steps.survey import Finding, builders_of, dockerfiles_of

if TYPE_CHECKING:
    from aac_tasks.session import Session


def check(args: Arguments, world: World) -> int:
    """Say what was looked at for each agent; exit 1 when something stands in the way of its image.

    Raises:
        SpecError: an agent.yaml is not what it should be. PlanError: a value can't be written in a Dockerfile.
    """
    with looking(args, world) as session:
        wanted = asked_agents(args, session)
        plan = session.plan() if wanted is None else session.plan(wanted) if wanted else Plan(())
        found = [f for agent in plan.agents for f in _findings(agent, session)]
    blocked = any(one.state == "blocked" for one in found)
    if args.json:
        show.document(world, {"findings": [vars(one) for one in found], "blocked": blocked})
    else:
        for one in found:
            show.line(world, f"{one.state:<8} {one.name}: {one.text}")
    return 1 if blocked else 0


def _findings(agent: AgentPlan, session: Session) -> Iterator[Finding]:
    image, dockerfile = agent.step("image"), agent.step("dockerfile")
    yield from (Finding("check", agent.agent, "warning", text) for text in agent.warnings if not _repeated(text, agent))
    if image is not None and image.pending and image.pending != PENDING_LOCK:
        yield Finding("check", agent.agent, "blocked", image.pending)
        return
    waits = dockerfile is None or dockerfile.action is None
    text = "is rendered once agent.lock is written" if waits else "can be written: every value is held to its grammar"
    yield Finding("check", agent.agent, "ok", f"agent.yaml is valid; the Dockerfile {text}")
    tools = session.hands.tools("", agent.agent)
    lock = read_lock(session.folder(agent) / LOCK_NAME)
    found = tuple(builders_of(Plan((agent,)), session.catalog, tools, lambda _: lock))
    yield from found
    if image and image.action and dockerfile and dockerfile.action and all(f.state == "ok" for f in found):
        yield from dockerfiles_of(agent.agent, image.action, dockerfile.action, session.catalog, tools)


def _repeated(text: str, agent: AgentPlan) -> bool:
    """What stands in the way of an image is a warning of the plan as well."""
    image = agent.step("image")
    return image is not None and text in image.pending.splitlines()
