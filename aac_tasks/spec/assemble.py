"""Canonical document → AgentSpec. Keys follow from the dataclasses; what differs is written here once."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.spec import (
    AgentSpec,
    Deploy,
    EnvVar,
    HealthCheck,
    Image,
    Metadata,
    Model,
    Quantities,
    Scaling,
    Service,
    Test,
)
from aac_tasks.spec.rules import probe_type

Doc = Mapping[str, Any]

KEYS: Mapping[tuple[type, str], str] = {
    (AgentSpec, "capability_config"): "capability_config",
    (AgentSpec, "dev_dependencies"): "dev_dependencies",
    (EnvVar, "source"): "from",
    (Quantities, "ephemeral_storage"): "ephemeral-storage",
    (Scaling, "target_cpu_utilization_percentage"): "targetCPUUtilizationPercentage",
}
"""Fields whose key in agent.yaml is not just the name in camelCase."""

DERIVED: Mapping[type, tuple[str, ...]] = {
    AgentSpec: ("metadata", "version", "models", "api_version"),
    Test: ("settings",),
    Deploy: ("settings",),
    Image: ("settings",),
}
"""Fields that are made of more than one key."""


def schema_key(cls: type, name: str) -> str:
    """The key in agent.yaml of a dataclass's field."""
    first, *rest = name.split("_")
    return KEYS.get((cls, name)) or first + "".join(part.capitalize() for part in rest)


def assemble(document: JsonObject) -> AgentSpec:
    """The AgentSpec of a document that the schema accepts."""
    doc: Doc = document
    spec: Doc = doc["spec"]
    runtime, _, version = spec["runtime"].partition(":")
    single = [spec["model"]] if "model" in spec else []
    return _make(AgentSpec, {**spec, "runtime": runtime}, {
        "metadata": _make(Metadata, doc["metadata"]),
        "version": version,
        "models": tuple(_make(Model, model) for model in (*single, *spec.get("models", ()))),
        "api_version": doc["apiVersion"],
        "tests": tuple(_test(test) for test in spec.get("tests", ())),
        "environment": tuple(_variable(entry) for entry in spec.get("environment", ())),
        "deploy": _with_settings(Deploy, spec.get("deploy", {})),
        "image": _with_settings(Image, spec.get("image", {})),
        "services": {name: _service(service) for name, service in spec.get("services", {}).items()},
        "health_check": _health(spec),
    })  # fmt: skip


T = typing.TypeVar("T")
_FREE = {"Json": object, "JsonObject": Mapping[str, object]}
"""The recursive JSON aliases, which get_type_hints can't resolve outside of their module."""


def _make(cls: Callable[..., T], source: Doc, given: Mapping[str, object] | None = None) -> T:
    values: dict[str, object] = dict(given or {})
    for name, key, inner, many in _fields(cls):
        if name in values or key not in source:
            continue
        value = source[key]
        if inner is not None:
            value = tuple(_make(inner, item) for item in value) if many else _make(inner, value)
        elif many:
            value = tuple(value)
        values[name] = value
    return cls(**values)


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, str, type | None, bool], ...]:
    """Name, key, dataclass inside (if any), whether it is a tuple."""
    hints = typing.get_type_hints(cls, localns=_FREE)
    derived = DERIVED.get(cls, ())
    found = []
    for field in dataclasses.fields(cls):
        if field.name in derived:
            continue
        hint = hints[field.name]
        options = [o for o in typing.get_args(hint) if o is not type(None)]
        if isinstance(hint, types.UnionType) and len(options) == 1:
            hint = options[0]
        many = typing.get_origin(hint) is tuple
        inner = typing.get_args(hint)[0] if many else hint
        dataclass = inner if dataclasses.is_dataclass(inner) and isinstance(inner, type) else None
        found.append((field.name, schema_key(cls, field.name), dataclass, many))
    return tuple(found)


def _service(entry: Doc) -> Service:
    variables = tuple(_variable(variable) for variable in entry.get("environment", ()))
    return _make(Service, entry, {"environment": variables, "health_check": _health(entry)})


def _health(entry: Doc) -> HealthCheck | None:
    check = entry.get("healthCheck")
    return _make(HealthCheck, {**check, "type": probe_type(check)}) if check else None


def _test(entry: Doc) -> Test:
    settings = {key: value for key, value in entry.items() if key not in ("type", "name") and not _own(key)}
    return Test(entry["type"], entry.get("name", ""), settings)


def _variable(entry: Doc) -> EnvVar:
    """`from: secret` alone means the secret of the variable's name; so do `configmap` and `env`."""
    made = _make(EnvVar, entry)
    missing = {"secret": "secret_name", "configmap": "config_map_name", "env": "env_key"}.get(made.source)
    if missing and not getattr(made, missing):
        return dataclasses.replace(made, **{missing: made.name})
    return made


def _with_settings(cls: Callable[..., T], entry: Doc) -> T:
    known = {key for _, key, _, _ in _fields(cls)}
    settings = {key: value for key, value in entry.items() if key not in known and not _own(key)}
    return _make(cls, entry, {"settings": settings})


def _own(key: str) -> bool:
    return key.startswith("x-")
