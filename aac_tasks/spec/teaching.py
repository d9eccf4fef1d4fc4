"""What jsonschema found → problems an author can act on: place, value, what is accepted, a near miss."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aac_tasks.contracts import quantities
from aac_tasks.contracts.canonical import Json
from aac_tasks.errors import Problem
from aac_tasks.spec.definition import Schema, property_schema, resolve
from aac_tasks.spec.dialects import GOVERNANCE, governance
from aac_tasks.spec.scalars import free
from aac_tasks.spec.tree import Scalar
from aac_tasks.spec.values import Path, Place, dotted

_KINDS = {
    "string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "object": "a mapping", "array": "a list",
}  # fmt: skip
_QUANTITIES: Mapping[str, Callable[[str], object]] = {
    "duration": quantities.seconds,
    "memory": quantities.memory_bytes,
    "cpu": quantities.cores,
}


class Teacher:
    """Translates the errors of one document. ``root`` is the schema, ``places`` where its values stand."""

    def __init__(self, root: Schema, places: Mapping[Path, Place], file: str) -> None:
        self._root = root
        self._places = places
        self._file = file

    def problems(self, errors: Iterable[Any], prefix: Path = ()) -> list[tuple[Path, Problem]]:
        """Every problem with the path of the value it is about; ``prefix`` goes before jsonschema's paths."""
        found: list[tuple[Path, Problem]] = []
        for error in errors:
            path = (*prefix, *error.absolute_path)
            handler = getattr(self, f"_on_{error.validator}", None)
            if handler:
                found += handler(error, path)
            else:
                found.append((path, self._at(path, self._otherwise(error))))
        return found

    def _at(self, path: Path, message: str, *, key: bool = False) -> Problem:
        place = self._places.get(path)
        parent = path
        while place is None and parent:
            parent = parent[:-1]
            place = self._places.get(parent)
        line, column = (place.key if key else place.shown) if place else (0, 0)
        return Problem(self._file, line, column, dotted(path), message)

    def _otherwise(self, error: Any) -> str:
        """Rules that only plugins' schemas use: jsonschema's own words."""
        if _secret(error.schema) or isinstance(
            error.instance, (Mapping, list)
        ):  # may hold what must not be shown
            return f"not accepted here; the rule is {error.validator}: {shown(error.validator_value)}"
        return str(error.message)

    def _shown(self, path: Path, error: Any) -> str:
        if isinstance(error.instance, (Mapping, list)):  # may hold what must not be shown
            return "this"
        if _secret(error.schema):
            return f"a value of {len(str(error.instance))} characters (not shown)"
        place = self._places.get(path)
        if place and place.scalar and place.scalar.plain and not isinstance(error.instance, str):
            return place.scalar.text
        return shown(place.scalar.text if place and place.scalar else error.instance)

    def _on_type(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:
        if "x-plugin" in error.schema:
            return [self._unknown(path[:-1], str(path[-1]))]
        place = self._places.get(path)
        scalar = place.scalar if place else None
        wanted = str(error.schema["type"])
        meant = free(scalar) if scalar else error.instance
        said = scalar.text if scalar and not isinstance(meant, str) else self._shown(path, error)
        message = f"{said} is {kind(meant)}; expected {_KINDS.get(wanted, wanted)}"
        message += (_number_fix(scalar, wanted) if scalar else "") or _example(error.schema)
        return [(path, self._at(path, message))]

    def _on_enum(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:
        accepted = [str(value) for value in error.schema["enum"]]
        near = nearest(str(error.instance), accepted)
        message = f"{self._shown(path, error)} is not accepted; expected {_one_of(accepted)}{near}"
        return [(path, self._at(path, message))]

    def _on_pattern(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:
        read = _QUANTITIES.get(error.schema.get("x-quantity", ""))
        if read:
            try:
                read(str(error.instance))
            except ValueError as reason:
                return [(path, self._at(path, str(reason)))]
        accepts = error.schema.get("x-accepts") or f"text that matches {error.schema['pattern']}"
        message = f"{self._shown(path, error)} is not accepted; expected {accepts}"
        return [(path, self._at(path, message + _pattern_fix(str(error.instance), error.schema)))]

    def _on_format(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:
        return [(path, self._at(path, str(error.message)))]

    def _on_minimum(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:
        low, high = error.schema.get("minimum"), error.schema.get("maximum")
        span = (
            f"from {low} to {high}"
            if None not in (low, high)
            else f"at least {low}"
            if high is None
            else f"at most {high}"
        )
        return [
            (path, self._at(path, f"{self._shown(path, error)} is out of range; expected a number {span}"))
        ]

    _on_maximum = _on_minimum

    def _on_minLength(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:  # noqa: N802  # jsonschema's name
        return [
            (path, self._at(path, f"this is empty; expected a text{_example(error.schema)}, or remove it"))
        ]

    def _on_minItems(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:  # noqa: N802
        return [
            (path, self._at(path, f"this list is empty; expected at least one item{_example(error.schema)}"))
        ]

    def _on_uniqueItems(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:  # noqa: N802
        seen = [json.dumps(item, sort_keys=True) for item in error.instance]
        number = next(i for i, item in enumerate(seen) if item in seen[:i])
        where = (*path, number)
        return [
            (where, self._at(where, f"{shown(error.instance[number])} stands twice in this list; keep one"))
        ]

    def _on_propertyNames(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:  # noqa: N802
        return [(path, self._at(path, self._otherwise(error)))]

    def _on_required(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:
        known = self._schema_at(path)
        found = []
        for key in error.schema["required"]:
            if str(error.message) != f"{key!r} is a required property" or self._misspelled(
                error.instance, known, key
            ):
                continue
            where = (*path, key)
            own = property_schema(known, key) or {}
            field = resolve(self._root, own)
            about = own.get("description") or field.get("description", "")
            message = f"missing; {_sentence(about)}" if about else "missing"
            place = self._at(path, "", key=True)
            message += (_example(own) and _example(own, key)) or _example(field, key)
            found.append((where, Problem(self._file, place.line, place.column, dotted(where), message)))
        return found

    def _misspelled(self, instance: Mapping[str, Json], known: Schema, key: str) -> bool:
        """Whether a key that is unknown here was meant to be ``key``: then one problem is enough."""
        closed = known.get("additionalProperties") is False
        return closed and any(property_schema(known, k) is None and _alike(k, [key]) for k in instance)

    def _on_anyOf(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:  # noqa: N802
        keys = [key for option in error.schema["anyOf"] for key in option.get("required", ())]
        if not keys:
            return [(path, self._at(path, self._otherwise(error)))]
        where = (*path, keys[0])
        field = resolve(self._root, property_schema(self._schema_at(path), keys[0]) or {})
        message = f"missing; one of {' and '.join(keys)} is required{_example(field, keys[0])}"
        place = self._at(path, "", key=True)
        return [(where, Problem(self._file, place.line, place.column, dotted(where), message))]

    def _on_additionalProperties(self, error: Any, path: Path) -> list[tuple[Path, Problem]]:  # noqa: N802
        return [
            self._unknown(path, key) for key in error.instance if property_schema(error.schema, key) is None
        ]

    def _unknown(self, path: Path, key: str) -> tuple[Path, Problem]:
        where = (*path, key)
        if path in ((), ("spec",)) and key in GOVERNANCE:
            return where, self._at(where, governance(key), key=True)
        accepted = [
            k for k in self._schema_at(path).get("properties", {}) if k != "profiles" or path == ("spec",)
        ]
        near = nearest(key, accepted)
        if not near and path in ((), ("metadata",)):
            spec = self._root["$defs"]["spec"]["properties"]
            near = f"; {key!r} belongs below `spec`" if key in spec else ""
        more = "" if near else f"; accepted here: {', '.join(accepted)}"
        return where, self._at(where, f"unknown key {key!r}{near}{more}", key=True)

    def _schema_at(self, path: Path) -> Schema:
        schema = self._root
        at: Path = ()
        for part in path:
            inner = schema.get("items") if isinstance(part, int) else property_schema(schema, part)
            schema = resolve(self._root, inner or {})
            at = (*at, part)
            if "allOf" in schema:
                schema = self._variant(schema, at)
        return schema

    def _variant(self, schema: Schema, path: Path) -> Schema:
        place = self._places.get((*path, "type"))
        kind = place.scalar.text if place and place.scalar else ""
        for clause in schema["allOf"]:
            wanted = ((clause.get("if") or {}).get("properties") or {}).get("type") or {}
            if wanted.get("const") == kind or "not" in (clause.get("if") or {}):
                return resolve(self._root, clause["then"])
        return schema


def shown(value: object, limit: int = 60) -> str:
    """A value for people: quoted when it is text, shortened when it is long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def kind(value: Json) -> str:
    """What a JSON value is, with an article."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number with a fraction"
    if isinstance(value, str):
        return "a text"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def nearest(word: str, accepted: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the most alike of ``accepted``, or nothing."""
    near = _alike(word, accepted)
    return f"; did you mean {near!r}?" if near else ""


def _alike(word: str, accepted: Iterable[str]) -> str:
    plain = {re.sub(r"[-_ ]", "", name).lower(): name for name in accepted}
    found = difflib.get_close_matches(re.sub(r"[-_ ]", "", word).lower(), plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else ""


def _secret(schema: Any) -> bool:
    return isinstance(schema, dict) and bool(schema.get("x-secret"))


def _one_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _sentence(description: str) -> str:
    first = re.split(r"(?<=[a-z)])[.:;] ", description, maxsplit=1)[0].rstrip(".")
    return first[:1].lower() + first[1:] if first[:2].islower() or first[1:2].islower() else first


def _example(schema: Schema, key: str = "") -> str:
    examples = schema.get("examples") or ()
    if not examples:
        return ""
    text = json.dumps(examples[0], ensure_ascii=False) if not isinstance(examples[0], str) else examples[0]
    return f", as in `{key}: {text}`" if key else f", as in {text}"


def _number_fix(scalar: Scalar, wanted: str) -> str:
    if wanted not in ("integer", "number"):
        return ""
    if not scalar.plain and re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", scalar.text):
        return f", so write {scalar.text} without the quotes"
    if re.fullmatch(r"0[0-7]+", scalar.text):
        old, new = int(scalar.text, 8), int(scalar.text)
        return f"; YAML 1.1 reads it as {old}, YAML 1.2 as {new}: write the one you mean"
    return ""


def _pattern_fix(text: str, schema: Schema) -> str:
    lower = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    pattern = re.sub(r"\$$", r"\\Z", schema["pattern"])
    near = bool(lower) and lower != text and re.search(pattern, lower) and not _secret(schema)
    return f"; did you mean {lower!r}?" if near and "lower-case" in schema.get("x-accepts", "") else ""
