"""YAML text → tree of values with the line and column of each; what YAML itself forbids is refused here.

The tree is made from parser events, not by a YAML loader: scalars keep their raw text, duplicate keys are
seen, and neither deep nesting nor a bomb of aliases costs anything before it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aac_tasks.errors import Problem, SpecError

MAX_BYTES = 1024 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 64


@dataclass
class Scalar:
    """One scalar: raw text, and whether it stood without quotes (only then it can be a number or null)."""

    text: str
    plain: bool
    line: int
    column: int
    tag: str = ""
    weight: int = 1


@dataclass
class Entry:
    """A key's place and its value."""

    line: int
    column: int
    value: Node


@dataclass
class Branch:
    """A mapping; keys are raw text. ``weight`` counts the nodes below, aliases expanded."""

    line: int
    column: int
    entries: dict[str, Entry] = field(default_factory=dict)
    weight: int = 1


@dataclass
class Items:
    """A list."""

    line: int
    column: int
    items: list[Node] = field(default_factory=list)
    weight: int = 1


Node: TypeAlias = "Scalar | Branch | Items"

_TAGS = {
    f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq")
} | {"!": "str"}


def fatal(file: str, line: int, column: int, message: str) -> SpecError:
    """A problem behind which nothing can be read."""
    return SpecError((Problem(file, line, column, "", message),))


def read_tree(data: bytes, file: str) -> tuple[Node | None, list[Problem]]:
    """The one document in ``data`` (None: empty) and problems that do not end the reading; else SpecError."""
    builder = _Builder(file)
    for event in _events(decode(data, file), file):
        builder.feed(event)
    return builder.root, builder.problems


def decode(data: bytes, file: str) -> str:
    """UTF-8 with or without BOM → text; SpecError when it is too long or something else."""
    if len(data) > MAX_BYTES:
        size = f"{len(data) / MAX_BYTES:.1f} MiB"
        raise fatal(
            file,
            0,
            0,
            f"{size} is too much for an agent.yaml (at most 1 MiB); move data into files of the agent",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise fatal(file, line, column, "not UTF-8 text; save the file as UTF-8") from error


def _events(text: str, file: str) -> Iterator[Any]:
    import yaml  # 15 ms: only when an agent.yaml is really read

    from aac_tasks.spec.yaml_errors import explain

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.YAMLError as error:
        line, column, message = explain(error, text)
        raise fatal(file, line, column, message) from error


@dataclass
class _Frame:
    node: Branch | Items
    path: str
    anchor: str
    key: str | None = None
    key_place: tuple[int, int] = (0, 0)
    merges: list[Node] = field(default_factory=list)


class _Builder:
    """Takes parser events one by one; ``root`` is there after the last."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0

    def feed(self, event: Any) -> None:
        handler = getattr(self, f"_on_{type(event).__name__}", None)
        if handler:
            mark = event.start_mark
            handler(event, mark.line + 1, mark.column + 1)

    def _on_DocumentStartEvent(self, event: Any, line: int, column: int) -> None:  # noqa: N802  # named by pyyaml
        self._documents += 1
        if self._documents > 1:
            raise fatal(
                self.file, line, column, "a second document begins here; one agent per file: "
                "give each document a folder of its own with an agent.yaml in it",
            )  # fmt: skip

    def _on_ScalarEvent(self, event: Any, line: int, column: int) -> None:  # noqa: N802
        node = Scalar(event.value, not event.style, line, column, self._tag(event, line, column))
        self._close(node, event.anchor)

    def _on_AliasEvent(self, event: Any, line: int, column: int) -> None:  # noqa: N802
        node = self._anchors.get(event.anchor)
        if node is None:
            why = "inside of itself" if event.anchor in self._anchors else "that is not defined above"
            raise fatal(self.file, line, column, f"*{event.anchor} refers to an anchor {why}")
        self._attach(node, line, column)

    def _on_MappingStartEvent(self, event: Any, line: int, column: int) -> None:  # noqa: N802
        self._open(Branch(line, column), event, line, column)

    def _on_SequenceStartEvent(self, event: Any, line: int, column: int) -> None:  # noqa: N802
        self._open(Items(line, column), event, line, column)

    def _on_MappingEndEvent(self, event: Any, line: int, column: int) -> None:  # noqa: N802
        frame = self._stack.pop()
        if isinstance(frame.node, Branch):
            for merged in frame.merges:
                self._merge(frame, frame.node, merged)
        self._close(frame.node, frame.anchor)

    def _on_SequenceEndEvent(self, event: Any, line: int, column: int) -> None:  # noqa: N802
        frame = self._stack.pop()
        self._close(frame.node, frame.anchor)

    def _tag(self, event: Any, line: int, column: int) -> str:
        if not event.tag:
            return ""
        if event.tag not in _TAGS:
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise fatal(
                self.file, line, column, f"the tag {shown} has no meaning in an agent.yaml; remove it"
            )
        return _TAGS[event.tag]

    def _open(self, node: Branch | Items, event: Any, line: int, column: int) -> None:
        self._tag(event, line, column)
        if len(self._stack) >= MAX_DEPTH:
            raise fatal(self.file, line, column, f"nested more than {MAX_DEPTH} levels deep")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(node, self._path(), event.anchor or ""))

    def _path(self) -> str:
        if not self._stack:
            return ""
        frame = self._stack[-1]
        if isinstance(frame.node, Items):
            return f"{frame.path}[{len(frame.node.items)}]"
        return f"{frame.path}.{frame.key}" if frame.path else str(frame.key)

    def _close(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        self._attach(node, node.line, node.column)

    def _attach(self, node: Node, line: int, column: int) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.node.weight += node.weight
        if frame.node.weight > MAX_NODES:
            raise fatal(self.file, line, column, f"more than {MAX_NODES} values once aliases are expanded")
        if isinstance(frame.node, Items):
            frame.node.items.append(node)
        elif frame.key is None:
            self._begin_entry(frame, node, line, column)
        else:
            self._end_entry(frame, frame.node, node)

    def _begin_entry(self, frame: _Frame, node: Node, line: int, column: int) -> None:
        if not isinstance(node, Scalar):
            raise fatal(self.file, line, column, "a key must be text, not a list or a mapping")
        frame.key = node.text if node.plain or node.text != "<<" else '"<<"'
        frame.key_place = (line, column)

    def _end_entry(self, frame: _Frame, branch: Branch, node: Node) -> None:
        key, frame.key = str(frame.key), None
        line, column = frame.key_place
        if key == "<<":
            frame.merges.append(node)
        elif key in branch.entries:
            first = branch.entries[key].line
            path = f"{frame.path}.{key}" if frame.path else key
            message = f"the key {key!r} stands here and at line {first}; keep one of them"
            self.problems.append(Problem(self.file, line, column, path, message))
        else:
            branch.entries[key] = Entry(line, column, node)

    def _merge(self, frame: _Frame, into: Branch, merged: Node) -> None:
        """https://yaml.org/type/merge.html: keys of the mapping itself win, then the first of a list."""
        for part in merged.items if isinstance(merged, Items) else [merged]:
            if not isinstance(part, Branch):
                message = "<< merges mappings; expected an alias of one, as in `<<: *name`"
                self.problems.append(Problem(self.file, part.line, part.column, frame.path, message))
                continue
            for key, entry in part.entries.items():
                into.entries.setdefault(key, entry)
