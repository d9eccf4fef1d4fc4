"""How an image is run, from its spec: environment, ports, mounts, limits, isolation, probe. No secret's value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aac_tasks.contracts.actions import EnvValue, InstanceSpec, Isolation, Limits, Mount, PortMapping
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
        ),
        probe=probe,
    )


def services_of(spec: AgentSpec) -> dict[str, str]:
    """Service → the agent of the workspace that it is; services that are no agents have no effect yet."""
    return {name: agent for name, one in spec.services.items() if isinstance(agent := one.get("agent"), str)}


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


def probe_of(check: HealthCheck | None, spec: AgentSpec) -> HealthProbe | None:
    """The typed probe: ``healthCheck`` as written, else TCP on the first port, else none.

    Defaults are those of Docker's HEALTHCHECK: 30 s interval and timeout, 3 retries, no start period.
    """
    first = spec.ports[0].container if spec.ports else 0
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
    for variable in spec.environment:
        if is_literal(variable):
            continue
        if variable.source == "secret":
            yield EnvValue(variable.name, secret=_secret(spec, variable))
        elif variable.source == "env":
            yield EnvValue(
                variable.name,
                value=f"${{{variable.env_key or variable.name}}}",
                default=variable.default_value,
            )
        elif variable.source == "configmap":
            yield EnvValue(variable.name, value=_configured(spec, variable), default=variable.default_value)
        else:
            yield EnvValue(variable.name, value=variable.value, default=variable.default_value)


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
