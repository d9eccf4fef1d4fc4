"""`agent plan`: what would happen, as text or data."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import AGENTS, LOOK
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.plan import AgentPlan, Plan


def handle(args: Arguments, world: World) -> int:
    """Compile and show."""
    with looking(args, world) as session:
        plan = session.plan(resolve(args.agent, session) if args.agent else ())
    if args.json:
        show.document(world, encode(plan))
    else:
        _show(plan, world)
    return 0


def _show(plan: Plan, world: World) -> None:
    for agent in plan.agents:
        show.line(world, f"{agent.agent}  ({agent.file})")
        show.table(world, ("  STEP", "NEEDS", "DOES"), [_row(agent, i) for i in range(len(agent.steps))])
        for warning in agent.warnings:
            show.line(world, f"  warning: {warning}")


def _row(agent: AgentPlan, index: int) -> tuple[str, str, str]:
    step = agent.steps[index]
    does = step.pending.splitlines()[0] if step.pending else step.doc
    return f"  {step.id}", ", ".join(need.partition(":")[0] for need in step.needs), does


COMMAND = Command(
    name="plan",
    summary="show the steps of each agent, in order",
    description="With --json the whole plan: every action, and the spec path of each value.",
    handle=handle,
    arguments=(AGENTS,),
    flags=LOOK,
    examples=("agent plan", "agent plan hello --json"),
)
