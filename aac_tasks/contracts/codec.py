"""Frozen dataclasses ↔ JSON values, driven by their type hints.

``encode`` leaves out fields that hold their default, so a field that is added later changes no
key of a value that does not use it. ``decode`` refuses unknown fields and wrong types. A union of
dataclasses is told apart by the class's ``kind`` (a ``ClassVar[str]``), written as ``"kind"``.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from aac_tasks.contracts.canonical import Json

T = TypeVar("T")


def encode(value: object) -> Json:
    """Turn a dataclass (or a tuple, mapping or scalar of them) into a JSON value."""
    sort: type = type(value)
    if sort in _PLAIN:
        return cast("Json", value)
    if sort is dict:  # here and below most values are plain: asking for each of them would be most of the work
        pairs = cast("Mapping[object, Any]", value).items()
        return {str(k): v if type(v) in _PLAIN else encode(v) for k, v in pairs}
    if sort is tuple or sort is list:
        return [v if type(v) in _PLAIN else encode(v) for v in cast("Sequence[Any]", value)]
    if (shape := _shape(sort)) is not None:
        return _encode_dataclass(value, shape, encode)
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, enum.Enum):
        return encode(value.value)
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(encode(v) for v in value)  # type: ignore[type-var]  # sets here hold text
    if isinstance(value, (int, float, str)):
        return str(value) if isinstance(value, str) else value
    raise TypeError(f"{sort.__name__} has no JSON form")


_PLAIN = frozenset({str, int, float, bool, type(None)})


@dataclasses.dataclass(frozen=True)
class _Shape:
    """What encoding a dataclass needs of its class: how it is told apart in a union, its fields with their defaults."""

    kind: str
    fields: tuple[tuple[str, object], ...]


@functools.cache
def _shape(cls: type) -> _Shape | None:
    """None of what is no dataclass. Looked up once a class: a thousand agents have a million values."""
    if not dataclasses.is_dataclass(cls):
        return None
    fields = dataclasses.fields(cls)
    kind = getattr(cls, "kind", None)
    told = kind if isinstance(kind, str) and "kind" not in {f.name for f in fields} else ""
    return _Shape(told, tuple((f.name, _default(f)) for f in fields))


def _encode_dataclass(value: object, shape: _Shape, inner: Callable[[object], Any]) -> dict[str, Json]:
    out: dict[str, Json] = {"kind": shape.kind} if shape.kind else {}
    for name, default in shape.fields:
        item = getattr(value, name)
        if item != default:
            out[name] = item if type(item) in _PLAIN else inner(item)
    return out


def outermost(value: object) -> object:
    """What `encode` does to the outermost of a value alone: for a writer of JSON that asks of all that it does not know."""
    sort: type = type(value)
    if (shape := _shape(sort)) is not None:
        return _encode_dataclass(value, shape, lambda inner: inner)
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else encode(value)


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return dataclasses.MISSING


def decode(cls: type[T], value: Json) -> T:
    """Read a value that ``encode`` wrote; ValueError names the place of the first mismatch."""
    return typing.cast(T, _decode(cls, value, cls.__name__))


# The JSON aliases are recursive texts that get_type_hints resolves in their module only: read as they are.
_FREE = {"Json": object, "JsonObject": Mapping[str, object]}


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, localns=_FREE)


_origin: Callable[[Any], Any] = functools.cache(typing.get_origin)
_args: Callable[[Any], Any] = functools.cache(typing.get_args)


def _decode(hint: Any, value: Any, at: str) -> Any:
    if hint is str and type(value) is str:
        return value
    origin = _origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(hint, value, at)
    if isinstance(hint, type) and _shape(hint) is not None:
        return _decode_dataclass(hint, value, at)
    if origin is not None:
        return _decode_generic(origin, _args(hint), value, at)
    if isinstance(hint, type):
        return _decode_scalar(hint, value, at)
    return value  # Json and other aliases: taken as they are


def _decode_scalar(hint: type, value: Any, at: str) -> Any:
    if issubclass(hint, enum.Enum) or (issubclass(hint, str) and hint is not str):
        return hint(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wrong_bool = isinstance(value, bool) and hint in (int, float)
    if hint is not object and (not isinstance(value, hint) or wrong_bool):
        raise ValueError(f"{at}: expected {hint.__name__}, got {value!r}")
    return value


def _decode_union(hint: Any, value: Any, at: str) -> Any:
    options = _args(hint)
    if value is None and type(None) in options:
        return None
    rest = [o for o in options if o is not type(None)]
    if len(rest) == 1:
        return _decode(rest[0], value, at)
    if isinstance(value, Mapping) and "kind" in value:
        for option in rest:
            if getattr(option, "kind", None) == value["kind"]:
                return _decode(option, value, at)
    if any(dataclasses.is_dataclass(o) for o in rest):
        raise ValueError(f"{at}: no such kind {value!r}")
    return value


def _decode_dataclass(cls: Any, value: Any, at: str) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"{at}: expected an object, got {value!r}")
    names = _names(cls)
    given = {k: v for k, v in value.items() if k != "kind" or "kind" in names}
    unknown = sorted(set(given) - names)
    if unknown:
        raise ValueError(f"{at}: unknown field {unknown[0]!r}")
    hints = _hints(cls)
    try:
        return cls(**{k: _decode(hints[k], v, f"{at}.{k}") for k, v in given.items()})
    except TypeError as error:
        raise ValueError(f"{at}: {error}") from error


@functools.cache
def _names(cls: type) -> frozenset[str]:
    return frozenset(f.name for f in dataclasses.fields(cls))


def _decode_generic(origin: Any, args: tuple[Any, ...], value: Any, at: str) -> Any:
    if origin is typing.Literal:
        if value not in args:
            raise ValueError(f"{at}: expected one of {args}, got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{at}: expected a list, got {value!r}")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_decode(args[0], v, f"{at}[{i}]") for i, v in enumerate(value))
        if len(args) != len(value):
            raise ValueError(f"{at}: expected {len(args)} items, got {value!r}")
        return tuple(_decode(a, v, f"{at}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))
    if origin is frozenset:
        return frozenset(_decode(args[0], v, at) for v in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"{at}: expected an object, got {value!r}")
        return {k: _decode(args[1], v, f"{at}.{k}") for k, v in value.items()}
    return value
