"""The runtime's recipe, completed with what agent.yaml says of every image whatever its language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.recipe import APP_UID, FileLayer, Recipe, follows_context
from aac_tasks.contracts.spec import AgentSpec, Model
from aac_tasks.plan.instance import is_literal

CONFIG_FILE = "/etc/agent/config.json"
"""Where an agent finds its model, capabilities and ``spec.config`` ($AGENT_CONFIG)."""

EPOCH = 315532800
"""1980-01-01, the oldest date a zip file can hold: the date of every file and image unless SOURCE_DATE_EPOCH says otherwise."""


@dataclass(frozen=True)
class Identity:
    """What the image says of itself beyond the runtime's recipe."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    env: Mapping[str, str]
    config: str
    user: str
    ports: tuple[str, ...]


def complete(recipe: Recipe, spec: AgentSpec, created: int) -> Recipe:
    """Labels, annotations, environment, user, ports, date and the config file."""
    identity = identity_of(spec)
    config = FileLayer({CONFIG_FILE: identity.config})
    first = next((i for i, layer in enumerate(recipe.layers) if follows_context(layer)), len(recipe.layers))
    return replace(
        recipe,
        layers=(*recipe.layers[:first], config, *recipe.layers[first:]),
        env={**recipe.env, **identity.env},
        labels={**recipe.labels, **identity.labels},
        annotations=identity.annotations,
        user=identity.user,
        ports=identity.ports,
        created=created,
    )


def identity_of(spec: AgentSpec) -> Identity:
    """Pure translation of metadata, environment, config, security and ports."""
    uid = spec.security.run_as_user if spec.security.run_as_user is not None else APP_UID
    gid = spec.security.run_as_group if spec.security.run_as_group is not None else uid
    labels = _labels(spec)
    described = {k: v for k, v in labels.items() if k.startswith("org.opencontainers.")}
    return Identity(
        labels=labels,
        annotations={**described, **spec.metadata.annotations},
        env={
            "AGENT_NAME": spec.name,
            "AGENT_CONFIG": CONFIG_FILE,
            **{v.name: v.value for v in spec.environment if is_literal(v)},
        },
        config=f"{json.dumps(_config(spec), indent=2, sort_keys=True, ensure_ascii=False)}\n",
        user=f"{uid}:{gid}",
        ports=tuple(f"{p.container}/{p.protocol}" for p in spec.ports),
    )


def _labels(spec: AgentSpec) -> dict[str, str]:
    """Annotation keys of the OCI image specification (annotations.md), then the agent's own."""
    meta = spec.metadata
    given = {
        "org.opencontainers.image.title": meta.name,
        "org.opencontainers.image.version": meta.version,
        "org.opencontainers.image.description": meta.description,
        "org.opencontainers.image.authors": meta.author,
        "dev.agent.name": meta.name,
        "dev.agent.runtime": f"{spec.runtime}:{spec.version}" if spec.version else spec.runtime,
        "dev.agent.models": ",".join(f"{m.provider}/{m.name}" for m in spec.models),
        "dev.agent.capabilities": ",".join(spec.capabilities),
        "dev.agent.tags": ",".join(meta.tags),
        **meta.labels,
    }
    description = " ".join(meta.description.split("\n")).strip()  # a block of YAML has lines, a label has one
    given["org.opencontainers.image.description"] = description
    return {name: value for name, value in given.items() if value}


def _config(spec: AgentSpec) -> JsonObject:
    config: dict[str, Json] = {
        "name": spec.name,
        "models": [_model(m) for m in spec.models],
        "capabilities": list(spec.capabilities),
        "capabilityConfig": dict(spec.capability_config),
        "config": dict(spec.config),
    }
    return {name: value for name, value in config.items() if value}


def _model(model: Model) -> JsonObject:
    return {"provider": model.provider, "name": model.name, "use": model.use, "config": dict(model.config)}
