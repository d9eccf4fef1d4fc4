"""Tree → JSON, led by the schema: text fields keep their raw text, integers become ints, null is absent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from aac_tasks.contracts.canonical import Json
from aac_tasks.spec import scalars
from aac_tasks.spec.definition import Schema, property_schema, resolve
from aac_tasks.spec.tree import Branch, Items, Node, Scalar

Path: TypeAlias = "tuple[str | int, ...]"
_FREE: Schema = {}
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALARS: dict[str, Callable[[Scalar], Json]] = {
    "string": lambda node: node.text,
    "object": lambda node: node.text,
    "array": lambda node: node.text,
    "integer": scalars.integer,
    "number": scalars.number,
    "boolean": scalars.boolean,
}


@dataclass(frozen=True)
class Place:
    """Where a value and its key stand (line, column from 1), and the scalar itself when it is one."""

    key: tuple[int, int]
    value: tuple[int, int]
    scalar: Scalar | None = None

    @property
    def shown(self) -> tuple[int, int]:
        """Where to point at: a scalar's text; for a list or mapping, its key."""
        return self.value if self.scalar else self.key


class Reader:
    """Reads one document. ``places`` and ``unused`` (paths without effect that the file uses) fill up."""

    def __init__(self, root: Schema, inert: frozenset[int]) -> None:
        self.places: dict[Path, Place] = {}
        self.unused: list[Path] = []
        self._root = root
        self._inert = inert

    def read(
        self, node: Node, schema: Any, path: Path, key: tuple[int, int] | None = None, quiet: bool = False
    ) -> Json:
        """The JSON value of ``node`` as ``schema`` understands it; ``quiet``: noted in ``unused`` already."""
        place = (node.line, node.column)
        self.places[path] = Place(key or place, place, node if isinstance(node, Scalar) else None)
        known = self._variant(resolve(self._root, schema), node)
        if not quiet and (id(schema) in self._inert or id(known) in self._inert):
            self.unused.append(path)
            quiet = True
        if isinstance(node, Scalar):
            return _SCALARS.get(str(known.get("type")), scalars.free)(node)
        if isinstance(node, Items):
            return self._read_items(node, known, path, quiet)
        return self._read_branch(node, known, path, quiet)

    def _read_items(self, node: Items, schema: Schema, path: Path, quiet: bool) -> Json:
        inner = schema.get("items", _FREE)
        return [
            self.read(item, inner, (*path, number), None, quiet) for number, item in enumerate(node.items)
        ]

    def _read_branch(self, node: Branch, schema: Schema, path: Path, quiet: bool) -> Json:
        result: dict[str, Json] = {}
        for name, entry in node.entries.items():
            inner = property_schema(schema, name)
            value = entry.value
            if isinstance(value, Scalar) and inner not in (None, True) and scalars.is_null(value):
                continue
            result[name] = self.read(value, inner or _FREE, (*path, name), (entry.line, entry.column), quiet)
        return result

    def _variant(self, schema: Schema, node: Node) -> Schema:
        """The alternative of an ``allOf`` of ``if type is … then`` that the mapping's ``type`` chooses."""
        clauses = schema.get("allOf")
        if not clauses or not isinstance(node, Branch):
            return schema
        entry = node.entries.get("type")
        kind = entry.value.text if entry and isinstance(entry.value, Scalar) else ""
        for clause in clauses:
            wanted = ((clause.get("if") or {}).get("properties") or {}).get("type") or {}
            if wanted.get("const") == kind or "not" in (clause.get("if") or {}):
                return resolve(self._root, clause["then"])
        return schema


def dotted(path: Path) -> str:
    """``("spec", "ports", 0, "container")`` → ``spec.ports[0].container``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text
