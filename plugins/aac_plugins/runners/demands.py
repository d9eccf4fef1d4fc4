"""What is asked of an engine that it has not: told before it is tried, or in place of the engine's own words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from aac_plugins.oci.docker_api import Engine, MissingError
from aac_plugins.runners.ports import holder_of
from aac_tasks.contracts.canonical import table
from aac_tasks.contracts.running import RunRequest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import DemandError, StepError

BUILT_IN = ("", "bridge", "default", "host", "none")

_NO_GPU = ("device driver", "nvidia", "gpu", "cdi")
"""In what an engine says that was asked for a GPU and has none, or not what lends it."""


def demand_network(engine: Engine, request: RunRequest, tools: Tools) -> None:
    """DemandError when the engine has no network of that name."""
    network = request.instance.isolation.network
    if network in BUILT_IN or ":" in network:  # container:NAME
        return
    try:
        engine.call(tools, "GET", f"/networks/{network}", timeout="5")
    except MissingError as error:
        known = sorted({*_networks(engine, tools), "host", "none"})
        near = difflib.get_close_matches(network, known, n=1)
        raise DemandError(
            f"{request.instance.name}: {engine.name} has no network {network!r}"
            f"{f'; did you mean {near[0]!r}?' if near else ''}; it has {', '.join(known)}",
            hint=f"`{engine.name} network create {network}` makes it, or name another (--network, spec.network.mode)",
        ) from error


def _networks(engine: Engine, tools: Tools) -> Iterator[str]:
    answer = engine.call(tools, "GET", "/networks")
    yield from (str(table(one).get("Name")) for one in (answer if isinstance(answer, (list, tuple)) else ()))


def explain(error: StepError, engine: Engine, request: RunRequest, tools: Tools) -> None:
    """Raise what an engine means that did not start a container, where that is known."""
    instance, said = request.instance, error.message.lower()
    asked = [p.host for p in instance.ports if p.host]
    taken = [p for p in asked if f":{p}" in error.message or tools.connects(engine.address, p, 0.2)]
    if taken:
        raise StepError(
            f"{instance.name}: port {taken[0]} is taken by {holder_of(taken[0]) or 'another process'}",
            hint="stop it, or give the agent another port in spec.ports",
        ) from error
    if instance.limits.gpu and any(word in said for word in _NO_GPU):
        raise DemandError(
            f"{instance.name}: a GPU is asked for, and {engine.host} has none to give ({error.message})",
            hint="do without (--gpus 0, spec.resources.limits.gpu), or set the engine up for GPUs (NVIDIA's Container Toolkit)",
        ) from error
