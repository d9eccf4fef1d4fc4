"""`agent plan`: what would happen, in which order, and about how long it would take."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import AGENTS, LOOK_AHEAD, SINCE
from aac_tasks.cli.stepping import asked_agents, looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.plan import AgentPlan, Plan
from aac_tasks.reporter.wording import duration
from aac_tasks.schedule import Planned, Schedule, schedule
from aac_tasks.state.judge import NEVER_RAN

_STATUS = {"fresh": "–", "runs": "runs", "asked": "asked", "ignored": "ignored"}


def handle(args: Arguments, world: World) -> int:
    """Compile, judge and show."""
    with looking(args, world) as session:
        wanted = asked_agents(args, session)
        plan = session.plan(wanted or ()) if wanted != () else Plan(())
        told = schedule(session, plan)
    if args.json:
        document = encode(plan)
        steps = [dict(vars(one)) for one in told.steps]
        more: JsonObject = {"schedule": {"steps": steps, "seconds": round(told.seconds, 3), "unknown": told.unknown}}
        show.document(world, {**(document if isinstance(document, dict) else {}), **more})
    else:
        _show(plan, told, world)
    return 0


def _show(plan: Plan, told: Schedule, world: World) -> None:
    planned = {one.step: one for one in told.steps}
    for agent in plan.agents:
        show.line(world, f"{agent.agent}  ({agent.file})")
        rows = [_row(agent, number, planned) for number in range(len(agent.steps))]
        show.table(world, ("  STEP", "NEEDS", "NOW", "LAST", "WHY OR WHAT"), rows)
        for warning in agent.warnings:
            show.line(world, f"  warning: {warning}")
    if plan.agents:
        show.line(world, _sum(told))


def _row(agent: AgentPlan, number: int, planned: dict[str, Planned]) -> tuple[str, str, str, str, str]:
    step = agent.steps[number]
    one = planned[step.id]
    last = "" if one.seconds is None else duration(one.seconds)
    needs = ", ".join(need.removesuffix(f":{step.agent}") for need in step.needs)
    reason = "" if one.reason == NEVER_RAN else one.reason
    pending = step.pending if one.status != "ignored" else ""
    why = pending.splitlines()[0] if pending else reason or step.doc
    return f"  {step.id}", needs, _STATUS[one.status], last, why


def _sum(told: Schedule) -> str:
    running = sum(1 for one in told.steps if one.status == "runs")
    if not running:
        return "nothing would run"
    rest = f", and {told.unknown} that never ran here" if told.unknown else ""
    about = f"about {duration(told.seconds)} by the last times{rest}" if told.unknown < running else "none of them ever ran here"
    return f"{running} of {len(told.steps)} steps would run: {about}"


COMMAND = Command(
    name="plan",
    summary="show the steps of each agent, in order: which would run, why, and how long each took last time",
    description=(
        "Steps that are not run by default (push, deploy) are listed and not judged. "
        "With --json the whole plan: every action, the spec path of each value, and the schedule."
    ),
    handle=handle,
    arguments=(AGENTS,),
    flags=(SINCE, *LOOK_AHEAD),
    examples=("agent plan", "agent plan hello --json", "agent plan --since origin/main"),
)
