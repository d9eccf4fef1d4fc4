"""How an image is run, from its spec: environment, ports, mounts, limits, isolation, probe. No secret's value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aac_tasks.contracts.actions import EnvValue, InstanceSpec, Isolation, Limits, Mount, PortMapping, ServiceImage
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.quantities import cores, memory_bytes, seconds
from aac_tasks.contracts.spec import AgentSpec, EnvVar, HealthCheck, Model

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A value that is resolved when the agent starts, never baked."""


def is_literal(variable: EnvVar) -> bool:
    """Whether the value is known now and so belongs to the image."""
    return not variable.source and not VARIABLE.search(variable.value)


def instance_of(spec: AgentSpec, probe: HealthProbe | None, *, fixed_ports: bool) -> InstanceSpec:
    """``fixed_ports`` False lets every host port be chosen freely, as a test does."""
    limits = spec.resources.limits
    capabilities = spec.security.capabilities
    return InstanceSpec(
        name=spec.name,
        env=(*_environment(spec), *_model_keys(spec.models)),
        ports=tuple(PortMapping(p.container, (p.host or 0) if fixed_ports else 0, p.protocol) for p in spec.ports),
        mounts=tuple(
            Mount(v.type, v.target, v.source, v.read_only, memory_bytes(v.size) if v.size else 0)
            for v in spec.volumes
            if v.type in ("bind", "volume", "tmpfs")
        ),
        limits=Limits(
            cpu=cores(limits.cpu) if limits.cpu else 0.0,
            memory=memory_bytes(limits.memory) if limits.memory else 0,
            ephemeral_storage=memory_bytes(limits.ephemeral_storage) if limits.ephemeral_storage else 0,
            gpu=int(limits.gpu) if limits.gpu.isdigit() else 0,
        ),
        isolation=Isolation(
            read_only_root=spec.security.read_only_root_filesystem,
            cap_add=capabilities.add,
            cap_drop=capabilities.drop,
            network=spec.network.mode,
            dns=spec.network.dns,
            non_root=bool(spec.security.run_as_non_root),
        ),
        probe=probe,
    )


def services_of(spec: AgentSpec) -> dict[str, str]:
    """Service → the agent of the workspace that it is."""
    return {name: one.agent for name, one in spec.services.items() if one.agent}


def images_of(spec: AgentSpec, pins: Mapping[str, str]) -> dict[str, ServiceImage]:
    """Service → the image that a test starts for it; ``pins`` holds what agent.lock has in the place of a reference."""
    return {name: _image(spec, name, pins[one.image]) for name, one in spec.services.items() if one.image in pins}


def _image(spec: AgentSpec, name: str, pin: str) -> ServiceImage:
    """In the agent's own network of an engine, where it has one: from there it is to be reached."""
    service = spec.services[name]
    port, network = service.port or 0, spec.network.mode
    instance = InstanceSpec(
        name=f"{spec.name}-{name}",
        env=tuple(_value(spec, variable) for variable in service.environment),
        ports=(PortMapping(port),) if port else (),
        isolation=Isolation(user=service.user, network="" if network in ("host", "none") else network),
        probe=probe_of(service.health_check, port),
        command=service.command,
    )
    return ServiceImage(pin, instance)


def unlimited(instance: InstanceSpec) -> InstanceSpec:
    """The same instance without limits: a test asks whether the image works, not how much it may use."""
    return InstanceSpec(
        name=instance.name,
        env=instance.env,
        ports=instance.ports,
        mounts=tuple(m for m in instance.mounts if m.type == "tmpfs"),
        isolation=instance.isolation,
        probe=instance.probe,
    )


def probe_of(check: HealthCheck | None, first: int) -> HealthProbe | None:
    """The typed probe: ``healthCheck`` as written, else TCP on the ``first`` port, else none.

    Defaults are those of Docker's HEALTHCHECK: 30 s interval and timeout, 3 retries, no start period.
    """
    if check is None:
        return HealthProbe("tcp", port=first) if first else None
    return HealthProbe(
        type=check.type,
        path=check.path or "/",
        port=check.port or first,
        command=check.command,
        interval=seconds(check.interval) if check.interval else 30.0,
        timeout=seconds(check.timeout) if check.timeout else 30.0,
        retries=check.retries if check.retries is not None else 3,
        start_period=seconds(check.start_period) if check.start_period else 0.0,
    )


def _environment(spec: AgentSpec) -> Iterator[EnvValue]:
    """What the image does not hold."""
    return (_value(spec, variable) for variable in spec.environment if not is_literal(variable))


def _value(spec: AgentSpec, variable: EnvVar) -> EnvValue:
    name, default = variable.name, variable.default_value
    if variable.source == "secret":
        return EnvValue(name, secret=_secret(spec, variable))
    if variable.source == "env":
        return EnvValue(name, value=f"${{{variable.env_key or name}}}", default=default)
    return EnvValue(name, value=_configured(spec, variable) if variable.source else variable.value, default=default)


def _secret(spec: AgentSpec, variable: EnvVar) -> str:
    return secret_reference(spec, variable.secret_name or variable.name, variable.secret_key)


def secret_reference(spec: AgentSpec, name: str, key: str = "") -> str:
    """``provider:key`` of the declared secret; an undeclared one is looked up in the environment."""
    for secret in spec.secrets:
        if secret.name == name:
            return f"{secret.provider}:{key or secret.key or secret.name}"
    return f"env:{key or name}"


def _configured(spec: AgentSpec, variable: EnvVar) -> str:
    """A local run reads a config map's key from ``spec.config`` (``config.<map>.<key>`` or ``config.<key>``)."""
    table = spec.config.get(variable.config_map_name)
    key = variable.config_map_key or variable.name
    value = table.get(key) if isinstance(table, dict) else spec.config.get(key)
    return "" if value is None else str(value)


def _model_keys(models: tuple[Model, ...]) -> Iterator[EnvValue]:
    """``api_key: ${VAR}`` of a model: the agent gets VAR when it starts, empty where the user has none."""
    seen: set[str] = set()
    for model in models:
        found = VARIABLE.fullmatch(str(model.config.get("api_key", "")))
        if found and found[1] not in seen:
            seen.add(found[1])
            yield EnvValue(found[1], secret=f"env:{found[1]}", default="")
