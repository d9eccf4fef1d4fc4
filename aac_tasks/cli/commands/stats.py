"""`agent stats`: what running agents use."""

from __future__ import annotations

import time

from aac_tasks.cli import show
from aac_tasks.cli.commands.stop import named
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import LOOK
from aac_tasks.cli.live_table import live_table
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.reporter.terminal import wants_live
from aac_tasks.reporter.wording import size
from aac_tasks.running import Instances

NO_STREAM = Flag(("--no-stream",), "one table, also on a terminal")
HEAD = ("NAME", "AGENT", "CPU %", "MEMORY", "PROCESSES")
BETWEEN = 1.0
"""Seconds that CPU time is measured over, and between two tables."""


def handle(args: Arguments, world: World) -> int:
    """Live on a terminal until Ctrl-C, else one table."""
    with looking(args, world) as session:
        instances = world.instances(session)
        names = named(args.name, instances.all())

        def measure() -> list[JsonObject]:
            return measured(instances, names)

        if args.json:
            show.document(world, {"stats": measure()})
        elif args.no_stream or not wants_live(world.out, world.err, world.environment):
            show.table(world, HEAD, [_row(one) for one in measure()])
        else:
            live_table(world.out, HEAD, lambda: [_row(one) for one in measure()])
    return 0


def measured(instances: Instances, names: tuple[str, ...]) -> list[JsonObject]:
    """Those that run: CPU in percent of one core, between two looks; memory in bytes. Takes `BETWEEN` seconds."""
    agents = {str(one["name"]): str(one["agent"]) for one in instances.all() if one["name"] in names}
    before = {name: (instances.usage(name), time.monotonic()) for name in agents}
    instances.sleep(BETWEEN)
    found: list[JsonObject] = []
    for name, (first, began) in before.items():
        now, seconds = instances.usage(name), time.monotonic() - began
        if first is not None and now is not None:
            cpu = round(max(0.0, now.cpu - first.cpu) / seconds * 100, 1)
            facts = {"cpu_percent": cpu, "cpu_seconds": round(now.cpu, 3), "memory": now.memory, "processes": now.processes}
            found.append({"name": name, "agent": agents[name], **facts})
    return found


def _row(one: JsonObject) -> tuple[str, ...]:
    memory = one["memory"]
    shown = size(memory) if isinstance(memory, int) else ""
    return (str(one["name"]), str(one["agent"]), f"{one['cpu_percent']}", shown, str(one["processes"]))


COMMAND = Command(
    name="stats",
    summary="show what running agents use: CPU, memory, processes",
    description="CPU is in percent of one core. Live on a terminal; Ctrl-C ends it.",
    handle=handle,
    arguments=(Argument("NAME", "a name that `agent ps` lists, or an agent's; all when there is none", "many"),),
    flags=(NO_STREAM, *LOOK),
    examples=("agent stats", "agent stats hello --json"),
)
