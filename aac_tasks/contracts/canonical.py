"""One way to turn a JSON value into bytes, so that equal values always have equal keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = "Mapping[str, Json]"


def canonical(value: object, known: Callable[[object], object] | None = None) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces; NaN is refused (ValueError). ``known`` turns what is no JSON into some."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=known
    ).encode()


def fingerprint(value: Json) -> str:
    """SHA-256 of the canonical form: 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def table(value: Json) -> JsonObject:
    """The same where it is an object; an empty one for anything else, of an answer that may have another shape."""
    return value if isinstance(value, Mapping) else {}
