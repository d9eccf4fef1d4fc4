"""Services of an agent: whose turn it is to have a port, and what the agent is told of where they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aac_tasks.contracts.canonical import JsonObject, table
from aac_tasks.contracts.running import Instance, Runner, RunRequest
from aac_tasks.contracts.spec import variable_of
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError


def start_in_turn(request: RunRequest, runner: Runner, seconds: float, tools: Tools) -> Instance:
    """Start an image where all share this machine's network: few can be moved to another port than their own, so while another
    test of ours has that one, it is waited for.
    """
    port, end = request.instance.ports[0].container, tools.now() + seconds
    while True:
        if _is_ours(port, tools):
            tools.progress(f"waiting for port {port}, which another test has")
            tools.wait_until(lambda: not _is_ours(port, tools), timeout=end - tools.now())
        request.state.mkdir(exist_ok=True)
        instance = runner.start(request, tools)
        if not instance.handle.get("moved") or tools.now() >= end:
            return instance
        if not _is_ours(port, tools) and tools.connects(instance.address, port, 0.2):  # a stranger has it, and may keep it
            return instance
        runner.stop(instance, tools, grace=0.0)  # another one that waited was faster


def _is_ours(port: int, tools: Tools) -> bool:
    """Whether another instance that we started has it."""
    if not tools.hold_port(port):
        return True
    tools.let_go_of_port(port)
    return False


def place_of(deployed: JsonObject) -> str:
    """Where other agents reach what a deploy, by its outputs, made run; empty when nobody can."""
    return str(deployed.get("inside") or deployed.get("url") or "")


def urls_of(services: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """``NAME_URL`` for each service (name → agent); ``places`` maps an agent to the URL that others reach it at.

    Raises:
        StepError: nobody can reach one of them.
    """
    found: dict[str, str] = {}
    for service, agent in services.items():
        url = places.get(agent)
        if not url:
            raise StepError(
                f"agent {agent} has no port that others could reach it at",
                hint=f"give it one in its spec.ports, or take service {service} out of spec.services",
                places={f"spec.services.{service}.agent": f"agent {agent} has no port"},
            )
        found[variable_of(service)] = url
    return found


def untold(spec: JsonObject, values: Mapping[str, str]) -> Iterator[str]:
    """``NAME_URL`` of each service with an image that is told of neither in ``values`` nor in the environment of ``spec``."""
    environment = spec.get("environment")
    known = {*values, *(table(one).get("name") for one in environment)} if isinstance(environment, (list, tuple)) else {*values}
    for service, one in table(spec.get("services")).items():
        if table(one).get("image") and not known.intersection(variable_of(service, what) for what in ("URL", "HOST", "PORT")):
            yield variable_of(service)


def addresses_of(images: Mapping[str, Instance]) -> dict[str, str]:
    """``NAME_HOST``, ``NAME_PORT`` and ``NAME_URL`` for each service that was started from an image."""
    found: dict[str, str] = {}
    for service, instance in images.items():
        host, port = instance.place_inside
        told = {"HOST": host, "PORT": str(port), "URL": f"tcp://{host}:{port}"}
        found |= {variable_of(service, what): value for what, value in told.items()}
    return found
