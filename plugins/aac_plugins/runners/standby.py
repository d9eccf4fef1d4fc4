"""A container that is started but for its agent, which begins once it is known with which files.

It is in a network that is held (`network`), and waits as `waiting` does. When the next image differs in files alone, the engine
unpacks these into it, and a signal has it become the agent: no image is loaded, no container made and none started while
somebody waits.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from aac_plugins.oci.docker_api import Engine, inside
from aac_plugins.runners import simple
from aac_plugins.runners.containers import remove
from aac_plugins.runners.records import spawned_of
from aac_plugins.runners.volumes import create_with_volumes
from aac_plugins.runners.waiting import GO, PROGRAM
from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.running import Changes, RunRequest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

LABEL = "dev.agent.standby"
"""Names, on a container that stands by or did, the instance that it is for."""

SETTLES = 1.0
"""Seconds in which whatever was started has executed its first instructions."""


def stands_by(request: RunRequest) -> bool:
    """Whether it can: no file goes into a root that is read only, and who is started again by the engine would wait again."""
    instance = request.instance
    return not (instance.isolation.read_only_root or instance.restart or request.interactive) and bool(_argv(request))


def stand_by(engine: Engine, body: JsonObject, request: RunRequest, holder: str, tools: Tools) -> str:
    """Start a container of that description, with the program that ``holder`` has; its id.

    The engine gets no health check: as long as nobody edits it would ask who does not serve. Who wants to know asks itself.
    """
    waiting: dict[str, Json] = {
        **body,
        "Labels": {**table(body["Labels"]), LABEL: request.instance.name},
        "Entrypoint": [PROGRAM, *_argv(request)],
        "Cmd": [],
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {**table(body["HostConfig"]), "VolumesFrom": [f"{holder}:ro"]},
    }
    container = create_with_volumes(engine, request, waiting, tools)
    try:
        engine.call(tools, "POST", f"/containers/{container}/start")
        _settle(engine, container, tools)
    except BaseException:
        remove(engine, container, tools)
        raise
    return container


def take_over(engine: Engine, request: RunRequest, tools: Tools) -> dict[str, Json]:
    """What stands by in the request's place, now with its files and as its agent; empty where nothing does, or that fails."""
    standby = dict(table(request.place.get("standby")))
    if request.changes is None or not standby:
        return {}
    container = str(standby["container"])
    try:
        if spawned_of(standby) is not None:  # who follows its log has opened that file, whatever it is called by now
            request.log.hardlink_to(str(request.place["log"]))
        _begin(engine, container, request.changes, tools)
    except BaseException as error:
        request.log.unlink(missing_ok=True)
        remove(engine, container, tools)
        if not isinstance(error, (StepError, OSError)):
            raise
        tools.note(f"what stood by is of no use: {error}")
        return {}
    return standby


def _begin(engine: Engine, container: str, changes: Changes, tools: Tools) -> None:
    """Owners and modes are those of the archive."""
    with (
        changes.archive.open("rb") as archive,
        engine.open(tools, "PUT", inside(container, "/"), archive) as answer,
    ):
        answer.read()
    engine.call(tools, "POST", f"/containers/{container}/kill", signal=str(GO))


def _argv(request: RunRequest) -> tuple[str, ...]:
    return (*request.config.entrypoint, *(request.instance.command or request.config.cmd))


def _settle(engine: Engine, container: str, tools: Tools) -> None:
    """Until it waits: the first process of a container never gets a signal that it does not expect yet.

    Nobody else waits for that, and a second is long enough where it can't be seen: an engine may run in another machine.
    """
    pid = table(engine.inspect(tools, container).get("State")).get("Pid")
    if isinstance(pid, int) and pid > 0:
        tools.wait_until(lambda: simple.sleeps(pid, PurePosixPath(PROGRAM).name), timeout=SETTLES, every=0.005)
