"""`agent why`: why a step would run, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import LOOK_AHEAD
from aac_tasks.cli.naming import step_id
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.plan import STEP_KINDS
from aac_tasks.state.differences import Change, visible


def handle(args: Arguments, world: World) -> int:
    """Judge one step and say what changed since it last ran."""
    with looking(args, world) as session:
        session.narrow([word for word in args.step.split(":") if word not in STEP_KINDS] if ":" in args.step else [])
        plan = session.plan()
        step = step_id(args.step, plan)
        answer = session.why(step)
        if step in (ignored := session.ignored(plan)):
            answer = {**answer, "ignored": ignored[step]}
    if args.json:
        show.document(world, answer)
    else:
        _show(answer, world)
    return 0


def _show(answer: JsonObject, world: World) -> None:
    state, reason = "up to date" if answer.get("fresh") else "would run", str(answer.get("reason") or "")
    first = next(iter(_objects(answer.get("after"))), None)
    if answer.get("fresh") and first is not None:
        state, reason = f"may run, after {first.get('step')}", str(first.get("reason") or "")
    if answer.get("ignored"):
        state = f"{answer['ignored']}; else {state}"
    show.line(world, f"{answer.get('step')}: {state}{f' ({reason})' if reason else ''}")
    for told in _objects(answer.get("changes")):
        place, path = str(told.get("spec") or ""), str(told.get("path") or "")
        _tell(world, f"{place} (as {path})" if place and place != path else path, told)
    for file in _objects(answer.get("files")):
        _tell(world, str(file.get("path")), file)


def _tell(world: World, name: str, told: JsonObject) -> None:
    """A change in a line; of a text, each line that differs below its name."""
    first, *more = Change(name, told.get("old"), told.get("new")).lines()
    if not more:
        show.line(world, visible(f"  {name}: {first}"))
        return
    for words in (f"{name}:", f"  {first}", *(f"  {words}" for words in more)):
        show.line(world, visible(f"  {words}"))


def _objects(value: Json) -> list[Mapping[str, Json]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [item if isinstance(item, Mapping) else {"path": str(item)} for item in value]


COMMAND = Command(
    name="why",
    summary="say why a step would run: which field or file changed, old → new",
    handle=handle,
    arguments=(Argument("STEP", "a step as `agent plan` shows it: image:hello"),),
    flags=LOOK_AHEAD,
    examples=("agent why image:hello", "agent why test:hello --json"),
)
