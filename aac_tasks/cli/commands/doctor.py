"""`agent doctor`: what works here, what does not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aac_tasks.cli import show
from aac_tasks.cli.declare import Command
from aac_tasks.cli.flags import ALLOW_HOST, JSON, OFFLINE, PLACE, folder
from aac_tasks.cli.hosting import host_findings
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.codec import encode
from aac_tasks.errors import AacError
from aac_tasks.state.lock_file import NAME as LOCK_NAME
from aac_tasks.state.lock_file import read_lock
from aac_tasks.state.root import find_root
from aac_tasks.steps.survey import Finding, builders_of, survey

if TYPE_CHECKING:
    from aac_tasks.contracts.tools import Tools
    from aac_tasks.session import Session

COLOURS = {"ok": "green", "off": "dim", "warning": "yellow", "blocked": "red"}


def handle(args: Arguments, world: World) -> int:
    """Look at everything, then say it; exit 1 when something blocks."""
    root = find_root(folder(args, world).resolve())
    found = (*host_findings(root, world.environment), *_plugins(args, world))
    blocked = any(one.state == "blocked" for one in found)
    if args.json:
        show.document(world, {"findings": encode(found), "blocked": blocked})
    else:
        _show(found, world)
    return 1 if blocked else 0


def _plugins(args: Arguments, world: World) -> list[Finding]:
    """What plugins bring and whether it works; a session that can't even be opened is a finding too."""
    try:
        with looking(args, world) as session:
            catalog = session.plugins.catalog
            broken = [Finding("plugin", name, "warning", text) for name, text in catalog.broken.items()]
            hands = session.hands
            tools = hands.tools("", "-")
            found = survey(catalog, tools, allow_host=hands.allow_host)
            return [*broken, *found, *_executor(session), *_agents(session, tools)]
    except AacError as error:
        return [Finding("session", type(error).__name__, "blocked", str(error))]


def _executor(session: Session) -> list[Finding]:
    """Whether the machines that are to do steps can be reached; nothing where there are none."""
    if session.elsewhere is None:
        return []
    from aac_tasks.elsewhere import at_once  # lazy: only who has them

    try:
        slots = session.elsewhere.crew.slots()
    except AacError as error:
        return [Finding("executor", session.executor, "blocked", str(error))]
    state = "ok" if slots else "warning"
    return [Finding("executor", session.executor, state, at_once(slots))]


def _agents(session: Session, tools: Tools) -> list[Finding]:
    """The builder of each agent of this workspace; none where there is no workspace, or it can't be planned."""
    try:
        plan = session.plan()
    except AacError:  # `agent validate` is there to say what is wrong with it
        return []
    return list(builders_of(plan, session.catalog, tools, lambda agent: read_lock(session.folder(agent) / LOCK_NAME)))


def _show(found: Sequence[Finding], world: World) -> None:
    width = max(len(one.name) for one in found)
    area = ""
    for one in found:
        if one.area != area:
            area = one.area
            show.line(world, area)
        show.coloured(world, f"  {one.state:<8} {one.name:<{width}}  {one.text}".rstrip(), COLOURS[one.state])


COMMAND = Command(
    name="doctor",
    summary="say what works here and why not: builders, runners, plugins, caches, proxies",
    description="Tries every builder and runner. Exit code 1 when something blocks.",
    handle=handle,
    flags=(JSON, OFFLINE, ALLOW_HOST, *PLACE),
    examples=("agent doctor", "agent doctor --json"),
)
