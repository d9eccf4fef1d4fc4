"""Services that are images: what a test starts for them beside the agent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aac_tasks.catalog import Catalog
from aac_tasks.contracts.actions import InstanceSpec, PortMapping, TestAction
from aac_tasks.contracts.image import HealthProbe, ImageConfig, StoredImage
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.environment import resolve
from aac_tasks.steps.test import Bench, Beside

if TYPE_CHECKING:
    from aac_tasks.contracts.roles import Pinning

CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT")
"""What images of databases begin with, as engines give it: they are root, put their folders right and become another user."""

TIMEOUT = 60.0
"""Seconds that a service gets to be ready, beyond the time to start that its health check gives it."""

CONFINED = ("engine", "container")
"""Isolation in which an instance can be given those."""


def service_bench(agent: Bench, service: str, catalog: Catalog, folder: Path, tools: Tools) -> Bench:
    """An image that ``agent`` needs, brought into the store; ``folder`` is for all that is started beside.

    Raises:
        StepError: the registry does not have it any more, or nobody says which port it listens on.
    """
    asked, owner = agent.action.images[service], agent.action.instance.name
    place = f"spec.services.{service}"
    what = f"service {service} ({place})"
    if agent.beside is not None:
        place, what = agent.beside.place, f"{agent.beside.what}: {what}"
    base = cast("Pinning", catalog.bases.get("registry"))
    try:
        image = base.pinned(asked.image, agent.image.platform, tools)
        config = _config(image, tools)
        instance = _complete(asked.instance, config, str(agent.action.runner.get("isolation", "")))
    except StepError as error:
        said = f"{what}: {error.message}"
        raise StepError(said, hint=error.hint, places={place: said}) from error
    beside = Beside(f"{owner}.{service}", what, place, image=True)
    patience = TIMEOUT + (instance.probe.start_period if instance.probe else 0.0)
    action = TestAction(instance, (), patience, agent.action.runner)
    env = resolve(instance, tools, strict=False)
    unnamed = replace(config, labels={})  # by them an engine names what it is lent, and these are another's
    return Bench(action, image, unnamed, agent.runner, env, folder / beside.name, beside=beside)


def _config(image: StoredImage, tools: Tools) -> ImageConfig:
    with tools.blobs.open(image.config.digest) as file:
        return config_from_oci(json.load(file))


def _complete(instance: InstanceSpec, config: ImageConfig, isolation: str) -> InstanceSpec:
    """With its ports, its probe, and what it may do."""
    port = instance.ports[0].container if instance.ports else _only(config.exposed_ports)
    probe = instance.probe or HealthProbe("tcp")
    if probe.type != "command":
        probe = replace(probe, port=probe.port or port)
    ports = tuple(PortMapping(one) for one in dict.fromkeys((port, probe.port or port)))
    confined = replace(instance.isolation, cap_add=CAPABILITIES if isolation in CONFINED else ())
    return replace(instance, ports=ports, probe=probe, isolation=confined)


def _only(exposed: Sequence[str]) -> int:
    """The port that is meant where nobody says it."""
    ports = [int(name.partition("/")[0]) for name in exposed if name.partition("/")[2] in ("", "tcp")]
    if len(ports) == 1:
        return ports[0]
    several = f"exposes {', '.join(map(str, ports))}" if ports else "exposes no port"
    example = ports[0] if ports else 6379
    raise StepError(
        f"its image {several}, so which one the agent is to be told is open",
        hint=f"name the port that it listens on, as in `port: {example}`",
    )
