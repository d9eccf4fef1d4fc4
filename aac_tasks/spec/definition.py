"""The schema: loading it, mounting plugins' settings in it, compiling it once."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aac_tasks.contracts.canonical import JsonObject, canonical
from aac_tasks.errors import PluginError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

NAME = "agent.v1.schema.json"
_MOUNTS = {"runtime": "config", "registry": "image", "deployer": "deploy"}
Schema = dict[str, Any]  # a JSON Schema node; Any because jsonschema's own types are


def schema_text() -> str:
    """The schema file; ``aac_tasks/schemas`` is a link to ``schemas/`` in a checkout, a folder in a wheel."""
    place = Path(__file__).parent.parent / "schemas" / NAME
    try:
        return place.read_text(encoding="utf-8")
    except OSError as error:
        raise PluginError(f"{NAME} is missing from the installation; install aac-tasks again") from error


@functools.cache
def _base() -> Schema:
    schema: Schema = json.loads(schema_text())
    return schema


def merged(settings: Mapping[str, JsonObject]) -> Schema:
    """A copy of the schema with every plugin's settings at their place.

    Keys of ``settings``: ``runtime:NAME`` → spec.config.NAME, ``registry:NAME`` → spec.image.NAME,
    ``deployer:NAME`` → spec.deploy.NAME. Values are JSON Schemas; references in one stay within it.
    """
    schema = copy.deepcopy(_base())
    spec = schema["$defs"]["spec"]["properties"]
    for mount, own in settings.items():
        role, _, name = mount.partition(":")
        if role not in _MOUNTS or not name:
            raise PluginError(
                f"{mount!r} is no place for settings; expected one of {', '.join(_MOUNTS)}, ':' and a name"
            )
        slot = _MOUNTS[role]
        spec[slot].setdefault("properties", {})[name] = _rebased(
            own, f"#/$defs/spec/properties/{slot}/properties/{name}"
        )
    return schema


def _rebased(schema: Any, at: str) -> Any:
    """``schema`` with its own ``#…`` references meaning the same when it stands at ``at`` of a larger one."""
    if isinstance(schema, Mapping):
        return {
            key: at + value[1:] if key == "$ref" and str(value).startswith("#") else _rebased(value, at)
            for key, value in schema.items()
            if key not in ("$id", "$schema")
        }
    return [_rebased(item, at) for item in schema] if isinstance(schema, (list, tuple)) else schema


@dataclass(frozen=True)
class Compiled:
    """A schema, validators of a document and of an overlay, and the ids of subschemas without any effect."""

    root: Schema
    document: Validator
    overlay: Validator
    inert: frozenset[int]


def compiled(settings: Mapping[str, JsonObject]) -> Compiled:
    """The compiled schema; made once per set of settings and process."""
    return _compile(canonical(settings).decode() if settings else "")


@functools.lru_cache(maxsize=8)
def _compile(settings_text: str) -> Compiled:
    # 60 ms: only when an agent.yaml is really read
    from jsonschema import validators
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator
    from referencing.jsonschema import EMPTY_REGISTRY

    settings: dict[str, JsonObject] = json.loads(settings_text) if settings_text else {}
    for mount, own in settings.items():
        try:
            Draft202012Validator.check_schema(own)
        except SchemaError as error:
            raise PluginError(
                f"the settings schema of {mount} is not a JSON Schema: {error.message}"
            ) from error
    root = merged(settings)
    extend: Any = validators.extend  # untyped in types-jsonschema
    extended = extend(Draft202012Validator, {"pattern": _pattern, "format": _format})
    document = extended(root, registry=EMPTY_REGISTRY)  # empty: no $ref is ever fetched from the network
    overlay = document.evolve(schema=root["$defs"]["spec"])
    return Compiled(root, document, overlay, frozenset(_Inert(root).ids))


def _pattern(validator: Any, pattern: str, instance: object, schema: Schema) -> Iterator[Any]:
    """``$`` means the end, as JSON Schema has it; Python's also matches before a last newline."""
    if isinstance(instance, str) and not _ending(pattern).search(instance):
        from jsonschema.exceptions import ValidationError

        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@functools.cache
def _ending(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def _format(validator: Any, name: str, instance: object, schema: Schema) -> Iterator[Any]:
    if name != "regex" or not isinstance(instance, str):
        return
    from jsonschema.exceptions import ValidationError

    try:
        re.compile(instance)
    except (re.error, RecursionError, OverflowError) as error:
        yield ValidationError(f"{instance!r} is not a regular expression: {error}")


def resolve(root: Schema, schema: Any) -> Schema:
    """Follow local references (``#/$defs/x``); ``True`` and unknown references allow anything."""
    while isinstance(schema, dict) and "$ref" in schema:
        target: Any = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target.get(part) if isinstance(target, dict) else None
        schema = target
    return schema if isinstance(schema, dict) else {}


def property_schema(schema: Schema, key: str) -> Any:
    """The schema of ``key`` in an object of ``schema``; None when there is none."""
    properties = schema.get("properties") or {}
    if key in properties:
        return properties[key]
    for pattern, found in (schema.get("patternProperties") or {}).items():
        if re.search(pattern, key):
            return found
    extra = schema.get("additionalProperties")
    return extra if isinstance(extra, dict) else None


class _Inert:
    """Collects the ids of subschemas below which no field has an effect yet."""

    def __init__(self, root: Schema) -> None:
        self.ids: set[int] = set()
        self._root = root
        self._seen: dict[int, bool] = {}
        self._visit(root)

    def _visit(self, schema: Any) -> bool:
        if not isinstance(schema, dict):
            return False
        if id(schema) not in self._seen:
            self._seen[id(schema)] = False  # a circle (spec → profiles → spec) has effects
            inert = self._is_inert(schema)
            self._seen[id(schema)] = inert
            if inert:
                self.ids.add(id(schema))
        return self._seen[id(schema)]

    def _is_inert(self, schema: Schema) -> bool:
        below = [self._visit(inner) for inner in _children(schema)]
        if schema.get("x-constant"):
            return False
        if "x-effect" in schema:
            return not schema["x-effect"]
        if "$ref" in schema:
            return self._visit(resolve(self._root, schema))
        return bool(below) and all(below)


def _children(schema: Schema) -> Iterator[Any]:
    yield from (schema.get("properties") or {}).values()
    yield from (inner for key, inner in (schema.get("patternProperties") or {}).items() if key != "^x-")
    for clause in schema.get("allOf") or ():
        yield clause.get("then")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield schema[key]
