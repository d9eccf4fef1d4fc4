"""Containers of an engine that come, and go by their id or by the folder that they were made for."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from aac_plugins.oci.docker_api import Engine, MissingError
from aac_plugins.runners.docker_config import HOLDS, LABEL
from aac_tasks.contracts.canonical import JsonObject, table
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError


def create(engine: Engine, instance: str, body: JsonObject, tools: Tools) -> str:
    """The id of a container of that description, which people find by the instance's name."""
    made = engine.table(tools, "POST", "/containers/create", body, name=f"{instance}-{secrets.token_hex(4)}")
    return str(made["Id"])


def clear(engine: Engine, state: Path, tools: Tools, keep: str = "") -> None:
    """Remove what an earlier start made for this folder, but for the container ``keep``."""
    wanted = f'{{"label":["{LABEL}={state}"]}}'
    answer = engine.call(tools, "GET", "/containers/json", all="1", filters=wanted)
    found = [table(container) for container in (answer if isinstance(answer, (list, tuple)) else ())]
    for container in sorted(found, key=lambda one: HOLDS in table(one.get("Labels"))):  # podman has others go before a network
        if container["Id"] != keep:
            remove(engine, str(container["Id"]), tools)


def remove(engine: Engine, container: str, tools: Tools) -> None:
    """Also when the run was cancelled: then our own requests are refused, and the engine's library asks."""
    try:
        with contextlib.suppress(MissingError):
            engine.call(tools, "DELETE", f"/containers/{container}", force="1", v="1")
    except StepError:
        import docker  # lazy: needed only after a cancellation
        import docker.errors

        with contextlib.suppress(docker.errors.NotFound, docker.errors.DockerException):
            client = docker.APIClient(base_url=engine.host, timeout=20)
            client.remove_container(container, force=True, v=True)
            client.close()
