"""What the engine is asked to create for an instance.

Source: https://docs.docker.com/reference/api/engine/, ContainerCreate.
"""

from __future__ import annotations

from aac_plugins.runners.mounts import places, volume_name
from aac_tasks.contracts.actions import InstanceSpec, Mount, PortMapping
from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.capabilities import ALL
from aac_tasks.contracts.image import local_name as local_name
from aac_tasks.contracts.running import RunRequest, Usage
from aac_tasks.contracts.tools import Tools

LABEL = "dev.agent.instance"
"""Names an instance's folder, so that a container is found again although its id was never written down."""

HOLDS = "dev.agent.network"
"""Names, on a container that holds a network, the instance that it is for."""


def container_json(request: RunRequest, image: str, address: str, tools: Tools) -> dict[str, Json]:
    """The body of /containers/create. Holds the environment, secrets included."""
    instance = request.instance
    body: dict[str, Json] = {
        "Image": image,
        "Hostname": instance.name[:63],
        "Env": [f"{name}={value}" for name, value in request.env.items()],
        "ExposedPorts": {f"{p.container}/{p.protocol}": {} for p in instance.ports},
        "Labels": {LABEL: str(request.state), "dev.agent.name": instance.name},
        "HostConfig": _host(request, address, tools),
    }
    if instance.command:
        body["Cmd"] = list(instance.command)
    if instance.isolation.user:
        body["User"] = instance.isolation.user
    if request.interactive:
        streams = dict.fromkeys(("OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"), True)
        body |= {**streams, "Tty": request.terminal}
    return body


def _host(request: RunRequest, address: str, tools: Tools) -> dict[str, Json]:
    instance = request.instance
    isolation, limits = instance.isolation, instance.limits
    loopback = "127.0.0.1" if address in ("127.0.0.1", "localhost") else ""
    host: dict[str, Json] = {
        "PortBindings": {f"{p.container}/{p.protocol}": [_binding(p, loopback)] for p in instance.ports},
        "ReadonlyRootfs": isolation.read_only_root,
        "CapDrop": [] if ALL in isolation.capabilities else ["ALL"],  # podman takes no both
        "CapAdd": list(isolation.capabilities),
        "SecurityOpt": ["no-new-privileges:true"],
        "Memory": limits.memory,
        "NanoCpus": int(limits.cpu * 1_000_000_000),
        "Mounts": [entry for mount in instance.mounts for entry in _mounts(mount, instance, tools)],
    }
    if isolation.dns:
        host["Dns"] = list(isolation.dns)
    if limits.gpu:  # -1 is all, as the engine has it too
        host["DeviceRequests"] = [{"Count": limits.gpu, "Capabilities": [["gpu"]]}]
    if isolation.network:
        host["NetworkMode"] = isolation.network
    if request.detach and instance.restart:
        name, _, count = instance.restart.partition(":")
        host["RestartPolicy"] = {"Name": name, "MaximumRetryCount": int(count or 0)}
    return host


def _binding(port: PortMapping, address: str) -> dict[str, Json]:
    return {"HostIp": port.address or address, "HostPort": str(port.host) if port.host else ""}


def _mounts(mount: Mount, instance: InstanceSpec, tools: Tools) -> list[Json]:
    """Binds and targets are checked as for every runner; volumes are the engine's own, by instance."""
    if mount.type == "volume":
        name = f"{instance.name}-{volume_name(mount)}"  # an engine has one table of volumes for all
        return [{"Type": "volume", "Source": name, "Target": mount.target, "ReadOnly": mount.read_only}]
    entries: list[Json] = []
    for place in places((mount,), tools):
        if place.source is None:
            options: Json = {"SizeBytes": place.size, "Mode": 0o1777}
            entries.append({"Type": "tmpfs", "Target": place.target, "TmpfsOptions": options})
        else:
            entries.append({"Type": "bind", "Source": str(place.source), "Target": place.target, "ReadOnly": place.read_only})
    return entries


def ports_of(state: JsonObject, request: RunRequest) -> dict[str, int]:
    """What was published, read back; with the host's network the container's own ports."""
    published = table(table(state.get("NetworkSettings")).get("Ports"))
    ports: dict[str, int] = {}
    for mapping in request.instance.ports:
        name = f"{mapping.container}/{mapping.protocol}"
        bindings = published.get(name)
        if request.instance.isolation.network == "host":
            ports[name] = mapping.container
        elif isinstance(bindings, (list, tuple)) and bindings:
            ports[name] = int(str(table(bindings[0]).get("HostPort")))
    return ports


def address_of(state: JsonObject) -> str:
    """Its own address in the first network that it is in, of the same answer; empty with the host's network or none."""
    networks = table(table(state.get("NetworkSettings")).get("Networks"))
    return next((str(found) for one in networks.values() if (found := table(one).get("IPAddress"))), "")


def is_restarted(state: JsonObject) -> bool:
    """Whether the engine starts it again when it ends, of its answer to ContainerInspect."""
    policy = table(table(state.get("HostConfig")).get("RestartPolicy"))
    return policy.get("Name") not in (None, "", "no")


def comes_back(state: JsonObject) -> bool:
    """Whether it has failed and is to be tried again, of the same answer."""
    now, policy = table(state.get("State")), table(table(state.get("HostConfig")).get("RestartPolicy"))
    if now.get("Running") or policy.get("Name") != "on-failure" or not now.get("ExitCode"):
        return False
    most = _number(policy.get("MaximumRetryCount"))
    return not most or _number(state.get("RestartCount")) < most


def usage_of(stats: JsonObject) -> Usage | None:
    """The engine's answer to ContainerStats; None when the container does not run."""
    cpu, memory = table(table(stats.get("cpu_stats")).get("cpu_usage")), table(stats.get("memory_stats"))
    if not memory.get("usage"):
        return None
    details = table(memory.get("stats"))
    cached = _number(details.get("inactive_file")) or _number(details.get("total_inactive_file"))
    count = _number(table(stats.get("pids_stats")).get("current"))
    return Usage(_number(cpu.get("total_usage")) / 1e9, _number(memory["usage"]) - cached, count)


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0
