"""`--filter KEY=VALUE` and `--format '{{.Key}}'`, as container tools have them, over rows of JSON."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from aac_tasks.cli import show
from aac_tasks.cli.declare import Flag
from aac_tasks.cli.world import Arguments, World
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


HEADS = "; 'table {{.Name}}\\t…' has heads"


def format_flag(example: str, more: str = "") -> Flag:
    """``--format``, with an example that holds for the command."""
    return Flag(("--format",), f"what to print of each: '{example}', or json{more}", "TEMPLATE", default="")


Alias = Callable[[JsonObject], Json]
"""What a key that other tools have stands for."""


def _name(row: JsonObject) -> str:
    names = row.get("names")
    return str(names[0]) if isinstance(names, (list, tuple)) and names else "<none>"


OF_IMAGES: dict[str, Alias] = {
    "Name": _name,
    "Repository": lambda row: _name(row).rpartition(":")[0] or _name(row),
    "Tag": lambda row: _name(row).rpartition(":")[2],
    "ID": lambda row: str(row.get("digest")).removeprefix("sha256:")[:12],
}
"""Of an image with several names, the first."""

OF_INSTANCES: dict[str, Alias] = {"Names": lambda row: row.get("name"), "Status": lambda row: row.get("state")}


def fitting(key: str) -> Matches:
    """The row's value of that key is the asked one, or fits it as a wildcard; of a list, one of its items does."""

    def matches(row: JsonObject, wanted: str) -> bool:
        value = row.get(key)
        items = value if isinstance(value, (list, tuple)) else [value]
        return any(fnmatch.fnmatchcase(str(item or ""), wanted) for item in items)

    return matches


def chosen(
    rows: Iterable[JsonObject],
    asked: Sequence[tuple[str, str]],
    known: Mapping[str, Matches],
    values: Mapping[str, Sequence[str]] | None = None,
) -> list[JsonObject]:
    """Rows that fit every key that was asked for. ``values`` are the only ones that a key can have.

    Raises:
        UsageError: a key is unknown, or a value that none can have; says which there are.
    """
    for key, value in asked:
        if key not in known:
            raise UsageError(f"--filter {key}: nothing to filter by; expected {', '.join(sorted(known))}")
        accepted = (values or {}).get(key)
        if accepted and not fnmatch.filter(accepted, value):
            raise UsageError(f"--filter {key}={value}: no such value; expected {', '.join(accepted)}")
    wanted: dict[str, list[str]] = {}
    for key, value in asked:
        wanted.setdefault(key, []).append(value)
    return [row for row in rows if all(any(known[key](row, v) for v in values) for key, values in wanted.items())]


def formatted(template: str, rows: Sequence[JsonObject], aliases: Mapping[str, Alias] | None = None) -> list[str]:
    """One text a row: ``{{.Key}}``, ``{{.Labels.a.b}}``, ``{{json .}}``, also ``upper``, ``lower`` and ``len``.

    Raises:
        UsageError: a placeholder is none of these, or names what a row does not have.
    """
    template = _meant("{{json .}}" if template == "json" else template)
    for words in _PLACE.findall(template):
        _asked(words)
    if "{{" in _PLACE.sub("", template):
        raise UsageError(f"--format {template}: a {{{{ without }}}}; expected {_EXPECTED}")
    return [_PLACE.sub(lambda found, row=row: _value(found[1], row, aliases or {}), template) for row in rows]  # type: ignore[misc]


TABLE = "table"
"""Before a template: columns under their names, as container tools have it."""


def template_of(args: Arguments, short: str) -> str:
    """What ``--format`` says, else ``short`` with ``--quiet``; empty: the command's own table, as for ``table`` alone."""
    said = "" if args.format.strip() == TABLE else str(args.format)
    return said or (short if args.quiet else "")


def tell(world: World, template: str, rows: Sequence[JsonObject], aliases: Mapping[str, Alias]) -> None:
    """Print rows by a template; one that begins with ``table`` has columns between tabs, which get heads.

    Raises:
        UsageError: as `formatted`.
    """
    if not template.startswith(TABLE):
        for line in formatted(template, rows, aliases):
            show.line(world, line)
        return
    columns = _meant(template.removeprefix(TABLE)).lstrip().split("\t")
    cells = [formatted(column, rows, aliases) for column in columns]
    heads = [_PLACE.sub(lambda found: _head(found[1]), column) for column in columns]
    show.table(world, heads, list(zip(*cells, strict=True)))


def _head(words: str) -> str:
    """``ContentDigest`` → ``CONTENT DIGEST``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", _asked(words)[2]).upper()


def _meant(template: str) -> str:
    for sign, character in _ESCAPES.items():
        template = template.replace(sign, character)
    return template


_EXPECTED = "{{.Key}}, or json, upper, lower or len before it"


def _asked(words: str) -> re.Match[str]:
    found = _ASKED.fullmatch(words)
    if found is None:
        raise UsageError(f"--format {{{{{words}}}}}: expected {_EXPECTED}")
    return found


def _value(words: str, row: JsonObject, aliases: Mapping[str, Alias]) -> str:
    found = _asked(words)
    value = _looked_up(found[2], row, aliases)
    if found[1] == "json":
        return json.dumps(value, ensure_ascii=False)
    if found[1] == "len":
        return str(len(value) if isinstance(value, (str, list, tuple, dict)) else 0)
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return text.upper() if found[1] == "upper" else text.lower() if found[1] == "lower" else text


def _plain(key: str) -> str:
    return key.replace("_", "").lower()


def _looked_up(path: str, row: JsonObject, aliases: Mapping[str, Alias]) -> Json:
    """``ContentDigest`` finds ``content_digest``; below the first key names are taken as they are, dots and all."""
    if not path:
        return dict(row)
    first, _, rest = path.partition(".")
    keys = {_plain(key): key for key in (*aliases, *row)}
    key = keys.get(_plain(first))
    if key is None:
        raise UsageError(f"--format .{first}: no such key; expected {', '.join([*row, *aliases])}")
    value = row[key] if key in row else aliases[key](row)
    while rest and isinstance(value, Mapping):
        if rest in value:
            return value[rest]
        part, _, rest = rest.partition(".")
        value = value.get(part)
    return value if not rest else None
