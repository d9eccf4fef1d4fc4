"""A network of an engine that stays while containers come and go in it, as a Kubernetes pod's does.

Most of what a container's start takes is its network: another namespace, a pair of interfaces, rules and a proxy for each port. A
tiny container holds all of that, and does nothing but wait; an agent's container joins it (``NetworkMode: container:ID``,
https://docs.docker.com/engine/network/#container-networks).
"""

from __future__ import annotations

import struct

from aac_plugins.oci.docker_api import Engine, MissingError
from aac_plugins.oci.docker_load import base_image, load_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_plugins.runners.docker_config import LABEL, container_json
from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.image import ImageConfig, Platform
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.contracts.running import RunRequest
from aac_tasks.contracts.tools import Tools

IMAGE = "localhost/aac/network:1"
"""A program of some bytes and nothing else; another number when it changes."""

HOLDS = "dev.agent.network"
"""Names, on a container that holds a network, the instance that it is for."""

_OF_CONTAINER, _OF_HOST = ("Hostname", "ExposedPorts"), ("PortBindings", "Dns", "NetworkMode")
"""What of a container's description its network decides; who joins one may not have it."""

_OWN = ("host", "none")
"""Networks that cost nothing to begin with."""

_MACHINES = {
    # mov $34,%eax; syscall (pause); jmp back: https://man7.org/linux/man-pages/man2/pause.2.html
    "amd64": (62, bytes.fromhex("b822000000 0f05 ebf7")),
    # mov x0..x3,#0; mov x8,#73; svc #0 (ppoll of nothing, without an end); b back: this machine has no pause
    "arm64": (183, bytes.fromhex("000080d2 010080d2 020080d2 030080d2 280980d2 010000d4 faffff17")),
}
"""Architecture → its number in an ELF header (``e_machine``), and a program that waits until it is killed."""


def holds(request: RunRequest) -> bool:
    """Whether there is anything to hold for such an instance."""
    network = request.instance.isolation.network
    return network not in _OWN and ":" not in network and request.image.platform.architecture in _MACHINES


def hold(engine: Engine, request: RunRequest, tools: Tools) -> str:
    """Start what holds the network that the request asks for; its id, under the label of ``request.state``."""
    described = container_json(request, _image(engine, request.image.platform, tools), engine.address, tools)
    host = table(described["HostConfig"])
    few: dict[str, Json] = {"ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges:true"]}
    body: dict[str, Json] = {
        **{name: described[name] for name in ("Image", *_OF_CONTAINER)},
        "Labels": {LABEL: str(request.state), HOLDS: request.instance.name},
        "HostConfig": {**few, **{name: host[name] for name in _OF_HOST if name in host}},
    }
    container = str(engine.table(tools, "POST", "/containers/create", body)["Id"])
    engine.call(tools, "POST", f"/containers/{container}/start")
    return container


def held(engine: Engine, container: str, tools: Tools) -> JsonObject:
    """What the engine says of it; empty when it holds nothing any more."""
    try:
        state = engine.inspect(tools, container)
    except MissingError:
        return {}
    return state if table(state.get("State")).get("Running") else {}


def joined(body: JsonObject, container: str) -> dict[str, Json]:
    """A container's description with the network of that one in place of its own."""
    host = {name: value for name, value in table(body["HostConfig"]).items() if name not in _OF_HOST}
    rest = {name: value for name, value in body.items() if name not in _OF_CONTAINER}
    return {**rest, "HostConfig": {**host, "NetworkMode": f"container:{container}"}}


def program(architecture: str) -> bytes:
    """A static program that waits until it is killed: one segment, no library. Source: elf(5)."""
    machine, code = _MACHINES[architecture]
    start, size = 0x400000, 64 + 56 + len(code)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, machine, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000) + code


def _image(engine: Engine, platform: Platform, tools: Tools) -> str:
    """Its id in the engine, which is given it once."""
    entry = Entry("wait", "file", 0o755, data=program(platform.architecture))
    with tools.scratch() as scratch:
        layer = write_layer([entry], tools.blobs, scratch, name="base", created=0)
    config = ImageConfig(entrypoint=("/wait",), user="65534:65534")
    image = base_image(BaseImage((layer,), config), IMAGE, platform, tools.blobs)
    return load_image(engine, image, (IMAGE,), tools).id
