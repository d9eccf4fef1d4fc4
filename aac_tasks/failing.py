"""Where in agent.yaml a failure comes from."""

from __future__ import annotations

import contextlib

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.plan import AgentPlan
from aac_tasks.contracts.result import Event
from aac_tasks.errors import AacError, SpecError, StepError
from aac_tasks.run import Run


def placed(run: Run, error: StepError, agent: AgentPlan) -> StepError:
    """With its place in agent.yaml, when a command of the author's failed."""
    if not error.command:
        return error
    from aac_tasks.spec.commands import place_of  # lazy: only after a failure

    place = place_of(error.command, run.workspace.read(run.folder(agent)), agent.file)
    if not place:
        return error
    places = {place.rpartition(" ")[2]: error.message}
    return StepError(f"{place}: {error.message}", tail=error.tail, hint=error.hint, places=places)


def tell_missed(run: Run) -> int:
    """Say of which agents there is no plan, and why; the exit code of the worst, 0 where there is none."""
    missed = run.workspace.missed or {}
    for name, error in missed.items():
        found = error.problems if isinstance(error, SpecError) else ()
        problems: list[Json] = [{key: vars(p)[key] for key in ("line", "column", "path", "message")} for p in found]
        data: JsonObject = {"file": str(run.root / found[0].file) if found else "", "problems": problems}
        run.tell(Event("failed", f"parse:{name}", str(error), data=data))
    return max((error.exit_code for error in missed.values()), default=0)


def failure(run: Run, step_id: str, error: StepError) -> Event:
    """What is told of a failed step: ``data`` has ``hint``, ``file`` and ``problems``, with lines where they are known."""
    agent = run.agent_of(step_id)
    found: dict[str, tuple[int, int]] = {}
    if error.places:
        with contextlib.suppress(AacError, OSError):  # agent.yaml was edited meanwhile
            found = dict(run.workspace.read(run.folder(agent)).positions)
    problems: list[Json] = [
        {"line": line, "column": column, "path": path, "message": message}
        for path, message in error.places.items()
        for line, column in [found.get(path, (0, 0))]
    ]
    data: JsonObject = {"hint": error.hint, "file": str(run.root / agent.file), "problems": problems}
    return Event("failed", step_id, str(error), data=data)
