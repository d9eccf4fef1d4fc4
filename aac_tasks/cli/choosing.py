"""`--filter KEY=VALUE` and `--format '{{.Key}}'`, as container tools have them, over rows of JSON."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from aac_tasks.cli.declare import Flag
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.errors import UsageError

_PLACE = re.compile(r"\{\{(.*?)\}\}")
_ASKED = re.compile(r"\s*(?:(json|upper|lower|len)\s+)?\.([A-Za-z0-9_.-]*)\s*")
_ESCAPES = {"\\t": "\t", "\\n": "\n"}

Matches = Callable[[JsonObject, str], bool]
"""Whether a row fits a filter's value."""


def pair(text: str) -> tuple[str, str]:
    """``KEY=VALUE``."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise ValueError(f"{text!r} is no filter; expected KEY=VALUE")
    return key, value


FILTER = Flag(("--filter",), "only those that fit; of several values of one key any will do", "KEY=VALUE", pair, repeat=True)
FORMAT = Flag(("--format",), "what to print of each: '{{.Name}} {{json .Labels}}', or json", "TEMPLATE", default="")


def fitting(key: str) -> Matches:
    """The row's value of that key is the asked one, or fits it as a wildcard; of a list, one of its items does."""

    def matches(row: JsonObject, wanted: str) -> bool:
        value = row.get(key)
        items = value if isinstance(value, (list, tuple)) else [value]
        return any(fnmatch.fnmatchcase(str(item or ""), wanted) for item in items)

    return matches


def chosen(rows: Iterable[JsonObject], asked: Sequence[tuple[str, str]], known: Mapping[str, Matches]) -> list[JsonObject]:
    """Rows that fit every key that was asked for.

    Raises:
        UsageError: a key is unknown; says which there are.
    """
    for key, _ in asked:
        if key not in known:
            raise UsageError(f"--filter {key}: nothing to filter by; expected {', '.join(sorted(known))}")
    wanted: dict[str, list[str]] = {}
    for key, value in asked:
        wanted.setdefault(key, []).append(value)
    return [row for row in rows if all(any(known[key](row, v) for v in values) for key, values in wanted.items())]


def formatted(template: str, rows: Sequence[JsonObject]) -> list[str]:
    """One text a row: ``{{.Key}}``, ``{{.Labels.a.b}}``, ``{{json .}}``, also ``upper``, ``lower`` and ``len``.

    Raises:
        UsageError: a placeholder is none of these, or names what a row does not have.
    """
    if template == "json":
        template = "{{json .}}"
    for sign, character in _ESCAPES.items():
        template = template.replace(sign, character)
    return [_PLACE.sub(lambda found, row=row: _value(found[1], row), template) for row in rows]  # type: ignore[misc]


def _value(words: str, row: JsonObject) -> str:
    found = _ASKED.fullmatch(words)
    if found is None:
        raise UsageError(f"--format {{{{{words}}}}}: expected {{{{.Key}}}}, or json, upper, lower or len before it")
    value = _looked_up(found[2], row)
    if found[1] == "json":
        return json.dumps(value, ensure_ascii=False)
    if found[1] == "len":
        return str(len(value) if isinstance(value, (str, list, tuple, dict)) else 0)
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return text.upper() if found[1] == "upper" else text.lower() if found[1] == "lower" else text


def _looked_up(path: str, row: JsonObject) -> Json:
    """``ContentDigest`` finds ``content_digest``; below the first key names are taken as they are, dots and all."""
    if not path:
        return dict(row)
    first, _, rest = path.partition(".")
    keys = {key.replace("_", "").lower(): key for key in row}
    key = keys.get(first.replace("_", "").lower())
    if key is None:
        raise UsageError(f"--format .{first}: no such key; expected {', '.join(row)}")
    value = row[key]
    while rest and isinstance(value, Mapping):
        if rest in value:
            return value[rest]
        part, _, rest = rest.partition(".")
        value = value.get(part)
    return value if not rest else None
