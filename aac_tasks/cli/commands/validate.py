"""`agent validate`: every problem and warning of every agent.yaml below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import JSON, PLACE
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.errors import PluginError, Problem, SpecError
from aac_tasks.reporter.terminal import Lines, wants_annotations

if TYPE_CHECKING:
    from pathlib import Path

    from aac_tasks.workspace import Workspace

VALID, INVALID = 0, 3


def handle(args: Arguments, world: World) -> int:
    """Read and compile each agent alone, so that one's errors hide no other's."""
    with looking(args, world) as session:
        workspace = session.workspace
        found = [(folder, problems_of(folder, workspace)) for folder in workspace.folders()]
        if found and all(p.severity == "warning" for _, problems in found for p in problems):
            workspace.plan()  # what only all together can have wrong: two agents of one name
    if not found:
        raise workspace.nothing(args.directory or "this folder")
    _annotate([p for _, problems in found for p in problems], session.root, world)
    errors = sum(1 for _, problems in found for p in problems if p.severity == "error")
    warnings = sum(len(problems) for _, problems in found) - errors
    code = INVALID if errors else VALID
    if args.json:
        listed = [dict(vars(p)) for _, problems in found for p in problems]
        show.document(
            world,
            {"agents": len(found), "errors": errors, "warnings": warnings, "problems": listed, "exit": code},
        )
        return code
    for _, problems in found:
        for problem in problems:
            colour, word = ("red", "error") if problem.severity == "error" else ("yellow", "warning")
            show.coloured(world, f"{word}: {problem}", colour)
    show.line(world, f"{_many(len(found), 'agent')}: {_many(errors, 'error')}, {_many(warnings, 'warning')}")
    return code


def _annotate(problems: list[Problem], root: Path, world: World) -> None:
    if wants_annotations(world.environment):
        from aac_tasks.reporter.annotations import annotate, of_problems  # lazy: only in CI

        annotate(of_problems(problems, root), Lines(world.err), world.environment)


def problems_of(folder: Path, workspace: Workspace) -> list[Problem]:
    """What is wrong or odd in one folder's agent.yaml."""
    warnings: list[Problem] = []
    try:
        warnings = list(workspace.read(folder).warnings)
        known = {str(p) for p in warnings}
        plan = workspace.compile(folder)
    except SpecError as error:
        return [*warnings, *error.problems]
    except PluginError as error:  # a runtime without a plugin is valid; `build` refuses it
        return [*warnings, Problem(folder.name, 0, 0, "", str(error), "build-error")]
    return [
        *warnings,
        *(_warning(plan.file, text) for text in plan.warnings if text not in known),
    ]


def _warning(file: str, text: str) -> Problem:
    """A plan's warning may name its file already."""
    return Problem(file, 0, 0, "", text.removeprefix(f"{file} "), "warning")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


COMMAND = Command(
    name="validate",
    summary="check every agent.yaml here and below, and show all problems at once",
    description="Errors end with exit code 3; warnings do not.",
    handle=handle,
    flags=(JSON, *PLACE),
    examples=("agent validate", "agent validate -C agents --profile prod --json"),
)
