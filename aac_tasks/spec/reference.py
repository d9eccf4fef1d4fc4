"""The schema → docs/reference/agent-yaml.md. Pure; a test holds the file on disk to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aac_tasks.spec.definition import Schema, resolve

_HEAD = """# agent.yaml

<!-- generated from schemas/agent.v1.schema.json by aac_tasks/spec/reference.py; edit the schema instead -->

{description}

Text fields keep what is written (`version: 1.10` is "1.10"); null is the same as absent. Unknown keys are
errors, except below `config` and for keys that begin with `x-`. Fields in **bold** are required.
"""
_HIDDEN = ("profiles",)


def render(schema: Schema) -> str:
    """The whole page as markdown, ending in a newline."""
    parts = [_HEAD.format(description=schema["description"])]
    for path, node in _objects(schema, schema, ""):
        parts.append(_section(schema, path, node))
    parts.append(_amounts(schema))
    return "\n".join(parts)


def _objects(root: Schema, node: Any, path: str) -> Iterator[tuple[str, Schema]]:
    """Every object with named fields, outermost first, with its dotted path (``[]``: an item of a list)."""
    known = resolve(root, node)
    if "$ref" in node and "x-effect" in node:  # in the shape of another part, which has its section
        return
    if known.get("type") == "array":
        yield from _objects(root, known.get("items"), f"{path}[]")
        return
    if "allOf" in known:
        for clause in known["allOf"]:
            kind = ((clause["if"].get("properties") or {}).get("type") or {}).get("const", "…")
            yield from _objects(root, clause["then"], f"{path} (type: {kind})")
        return
    if "properties" not in known:
        if "propertyNames" in known and path:
            yield from _objects(root, known["additionalProperties"], f"{path}.NAME")
        return
    yield path, {**known, "required": [*known.get("required", ()), *(node.get("required") or ())]}
    for name, field in known["properties"].items():
        if name not in _HIDDEN:
            yield from _objects(root, field, f"{path}.{name}" if path else name)


def _section(root: Schema, path: str, node: Schema) -> str:
    title = f"## `{path}`" if path else "## The document"
    lines = [title, ""]
    if path:
        lines += [node.get("description", ""), ""]
    lines += ["| field | shape | what it is | example | steps it changes |", "|---|---|---|---|---|"]
    required = node.get("required", ())
    for name, field in node["properties"].items():
        lines.append(_row(root, name, field, name in required))
    for pattern, field in (node.get("patternProperties") or {}).items():
        if pattern != "^x-" and isinstance(field, dict):
            lines.append(_row(root, f"<{field.get('x-plugin', 'name')}>", field, False))
    return "\n".join([*lines, ""])


def _row(root: Schema, name: str, field: Schema, required: bool) -> str:
    known = resolve(root, field)
    merged = {**known, **{key: value for key, value in field.items() if key != "$ref"}}
    shown = f"**`{name}`**" if required else f"`{name}`"
    examples = ", ".join(f"`{_text(value)}`" for value in merged.get("examples", ())[:2])
    cells = (shown, _shape(root, merged), merged.get("description", ""), examples, _effect(merged))
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shape(root: Schema, field: Schema) -> str:
    kind = field.get("type", "anything")
    if kind == "array":
        items = resolve(root, field.get("items"))
        return f"[{'mapping' if items.get('type') == 'object' else _word(items.get('type', 'anything'))}]"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if kind == "object" and "properties" not in field:
        values = resolve(root, field.get("additionalProperties"))
        return f"{{text: {_word(values['type'])}}}" if "type" in values else "free"
    low, high = field.get("minimum"), field.get("maximum")
    span = (
        f" {low} to {high}"
        if low is not None and high is not None
        else f" ≥ {low}"
        if low is not None
        else ""
    )
    return _word(field.get("x-quantity", kind)) + span


_WORDS = {"string": "text", "integer": "int", "object": "mapping", "boolean": "true / false"}


def _word(kind: Any) -> str:
    return _WORDS.get(kind, str(kind))


def _effect(field: Schema) -> str:
    if "x-effect" not in field and "x-effect" in (items := field.get("items") or {}):
        return _effect(items)
    if "x-effect" not in field or field.get("x-constant"):
        return ""
    return ", ".join(field["x-effect"]) or "none yet"


def _amounts(root: Schema) -> str:
    lines = ["## Amounts", "", "| shape | how it is written | examples |", "|---|---|---|"]
    for name in ("duration", "memory", "cpu"):
        node = root["$defs"][name]
        examples = ", ".join(f"`{value}`" for value in node["examples"])
        lines.append(f"| {name} | {node['description']} | {examples} |")
    return "\n".join([*lines, ""])
