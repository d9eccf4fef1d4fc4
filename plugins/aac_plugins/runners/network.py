"""A network of an engine that stays while containers come and go in it, as a Kubernetes pod's does.

Most of what a container's start takes is its network: another namespace, a pair of interfaces, rules and a proxy for each port. A
tiny container holds all of that, and does nothing but wait; an agent's container joins it (``NetworkMode: container:ID``,
https://docs.docker.com/engine/network/#container-networks).
"""

from __future__ import annotations

from aac_plugins.oci.docker_api import Engine, MissingError
from aac_plugins.runners.docker_config import HOLDS, LABEL, container_json
from aac_plugins.runners.waiting import FOLDER, runs_on, waiting_image
from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.running import RunRequest
from aac_tasks.contracts.tools import Tools

_OF_CONTAINER, _OF_HOST = ("Hostname", "ExposedPorts"), ("PortBindings", "Dns", "NetworkMode")
"""What of a container's description its network decides; who joins one may not have it."""

_OWN = ("host", "none")
"""Networks that cost nothing to begin with."""

def holds(request: RunRequest) -> bool:
    """Whether there is anything to hold for such an instance."""
    network = request.instance.isolation.network
    return network not in _OWN and ":" not in network and runs_on(request.image.platform)


def hold(engine: Engine, request: RunRequest, tools: Tools) -> str:
    """Start what holds the network that the request asks for; its id, under the label of ``request.state``.

    The volume without a name is filled from its image, and goes with the last container that has it.
    """
    described = container_json(request, waiting_image(engine, request.image.platform, tools), engine.address, tools)
    host = table(described["HostConfig"])
    few: dict[str, Json] = {"ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges:true"]}
    body: dict[str, Json] = {
        **{name: described[name] for name in ("Image", *_OF_CONTAINER)},
        "Labels": {LABEL: str(request.state), HOLDS: request.instance.name},
        "Volumes": {FOLDER: {}},  # its own program, for who joins
        "HostConfig": {**few, **{name: host[name] for name in _OF_HOST if name in host}},
    }
    container = str(engine.table(tools, "POST", "/containers/create", body)["Id"])
    engine.call(tools, "POST", f"/containers/{container}/start")
    return container


def held(engine: Engine, place: JsonObject, tools: Tools) -> JsonObject:
    """What the engine says of the network's holder; empty when there was none, or it holds nothing any more."""
    try:
        state = engine.inspect(tools, str(place["network"])) if place else {}
    except MissingError:
        return {}
    return state if table(state.get("State")).get("Running") else {}


def joined(body: JsonObject, container: str) -> dict[str, Json]:
    """A container's description with the network of that one in place of its own."""
    host = {name: value for name, value in table(body["HostConfig"]).items() if name not in _OF_HOST}
    rest = {name: value for name, value in body.items() if name not in _OF_CONTAINER}
    return {**rest, "HostConfig": {**host, "NetworkMode": f"container:{container}"}}
