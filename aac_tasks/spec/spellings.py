"""Other spellings found in the wild → the canonical one, on the tree, with one warning each.

Only spellings whose meaning is beyond doubt are here; everything else is refused with a suggestion.
"""

from __future__ import annotations

from aac_tasks.errors import Problem
from aac_tasks.spec.probes import native_probe
from aac_tasks.spec.scalars import boolean, is_null
from aac_tasks.spec.tree import Branch, Entry, Items, Node, Scalar

OLD_API_VERSION = "agent.as.code/v1"
API_VERSION = "agent.dev/v1"

MOVES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("healthcheck",), ("healthCheck",)),
    (("autoscaling",), ("scaling",)),
    (("replicas",), ("scaling", "replicas")),
    (("scaling", "min"), ("scaling", "minReplicas")),
    (("scaling", "max"), ("scaling", "maxReplicas")),
    (("deployment",), ("deploy", "strategy")),
    (("build", "base_image"), ("build", "baseImage")),
    (("monitoring",), ("observability",)),
    (("logging",), ("observability", "logging")),
    (("tracing",), ("observability", "tracing")),
    (("alerts",), ("observability", "alerts")),
    (("observability", "prometheus"), ("observability", "metrics")),
    (("observability", "tracing", "sampling_rate"), ("observability", "tracing", "sampling")),
)
"""Below ``spec``: (old place, new place), outer ones first."""

_SWITCHES = (
    ("autoscaling",), ("monitoring",), ("logging",), ("tracing",), ("observability",),
    ("monitoring", "prometheus"), ("observability", "metrics"), ("observability", "prometheus"),
    ("monitoring", "metrics"), ("observability", "logging"), ("monitoring", "logging"),
    ("observability", "tracing"), ("monitoring", "tracing"),
)  # fmt: skip
"""Blocks that can be said as ``true`` or ``false``, or hold ``enabled``."""


class Speller:
    """Changes one document in place; ``warnings`` and ``problems`` fill up."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.warnings: list[Problem] = []
        self.problems: list[Problem] = []

    def document(self, root: Branch) -> None:
        """The whole document: apiVersion, spec and every profile's overlay."""
        version = root.entries.get("apiVersion")
        if version and isinstance(version.value, Scalar) and version.value.text == OLD_API_VERSION:
            self._warn(
                version, "apiVersion", f"{OLD_API_VERSION} is the older name of {API_VERSION}; read as that"
            )
            version.value.text = API_VERSION
        spec = _branch(root, "spec")
        if spec is None:
            return
        self.block(spec, "spec")
        profiles = _branch(spec, "profiles")
        for name, entry in profiles.entries.items() if profiles else ():
            if isinstance(entry.value, Branch):
                self.block(entry.value, f"spec.profiles.{name}")

    def block(self, spec: Branch, path: str) -> None:
        """One ``spec`` or overlay; ``path`` is its dotted path."""
        for place in _SWITCHES:
            _apply_switch(spec, place)
        for old, new in MOVES:
            self._move(spec, path, old, new)
        self._hoist_strategy(spec)
        self._environment(spec, path)
        self._probe(spec, path)

    def _move(self, spec: Branch, path: str, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        holder = _branch(spec, *old[:-1])
        entry = holder.entries.get(old[-1]) if holder else None
        if holder is None or entry is None or (isinstance(entry.value, Scalar) and is_null(entry.value)):
            return
        del holder.entries[old[-1]]
        target = _make(spec, new[:-1], entry)
        if target is None:
            holder.entries[old[-1]] = entry  # what stands in the way is refused by the schema
            return
        dotted = f"{path}.{'.'.join(new)}"
        self._warn(entry, f"{path}.{'.'.join(old)}", f"another spelling of {dotted}; read as that")
        self._put(target, new[-1], entry, dotted)

    def _put(self, target: Branch, key: str, entry: Entry, path: str) -> None:
        there = target.entries.get(key)
        if there is None:
            target.entries[key] = entry
        elif isinstance(there.value, Branch) and isinstance(entry.value, Branch):
            for name, inner in entry.value.entries.items():
                self._put(there.value, name, inner, f"{path}.{name}")
        else:
            message = f"said here and, in another spelling, at line {there.line}; keep one of them"
            self.problems.append(Problem(self.file, entry.line, entry.column, path, message))

    def _hoist_strategy(self, spec: Branch) -> None:
        """``deployment: {strategy: {…}, replicas: 2}`` is ``deploy.strategy`` now: take those out."""
        strategy = _branch(spec, "deploy", "strategy")
        if strategy is None:
            return
        inner = _branch(strategy, "strategy")
        if inner is not None:
            del strategy.entries["strategy"]
            for key, entry in inner.entries.items():
                self._put(strategy, key, entry, f"spec.deploy.strategy.{key}")
        replicas = strategy.entries.pop("replicas", None)
        scaling = _make(spec, ("scaling",), replicas) if replicas else None
        if replicas and scaling:
            self._put(scaling, "replicas", replicas, "spec.scaling.replicas")

    def _environment(self, spec: Branch, path: str) -> None:
        entry = spec.entries.get("environment")
        items = entry.value.items if entry and isinstance(entry.value, Items) else []
        for number, item in enumerate(items):
            source = item.entries.get("from") if isinstance(item, Branch) else None
            if source and isinstance(source.value, Scalar) and source.value.text == "config":
                source.value.text = "configmap"
                where = f"{path}.environment[{number}].from"
                self._warn(source, where, "another spelling of `from: configmap`; read as that")

    def _probe(self, spec: Branch, path: str) -> None:
        entry = spec.entries.get("healthCheck")
        found = native_probe(entry.value) if entry and isinstance(entry.value, Branch) else None
        if entry and isinstance(entry.value, Branch) and found:
            command = entry.value.entries.pop("command")
            entry.value.entries.pop("type", None)
            for key, text in found.items():
                value = Scalar(text, True, command.value.line, command.value.column)
                entry.value.entries[key] = Entry(command.line, command.column, value)
            shown = ", ".join(f"{key}: {text}" for key, text in found.items())
            message = f"a curl command that only probes a URL is read as {shown}; so the image needs no curl"
            self._warn(command, f"{path}.healthCheck.command", message)

    def _warn(self, entry: Entry, path: str, message: str) -> None:
        self.warnings.append(Problem(self.file, entry.line, entry.column, path, message, "warning"))


def _branch(node: Branch, *keys: str) -> Branch | None:
    found: Node = node
    for key in keys:
        entry = found.entries.get(key) if isinstance(found, Branch) else None
        if entry is None:
            return None
        found = entry.value
    return found if isinstance(found, Branch) else None


def _make(node: Branch, keys: tuple[str, ...], like: Entry) -> Branch | None:
    """The branch at ``keys``, made where it is missing; None when something else stands there."""
    for key in keys:
        entry = node.entries.get(key)
        if entry is None or (isinstance(entry.value, Scalar) and is_null(entry.value)):
            entry = node.entries[key] = Entry(like.line, like.column, Branch(like.line, like.column))
        if not isinstance(entry.value, Branch):
            return None
        node = entry.value
    return node


def _apply_switch(spec: Branch, place: tuple[str, ...]) -> None:
    """``block: true`` → an empty block; ``block: false`` and ``enabled: false`` → no block."""
    holder = _branch(spec, *place[:-1])
    entry = holder.entries.get(place[-1]) if holder else None
    if holder is None or entry is None:
        return
    if isinstance(entry.value, Scalar):
        wanted = boolean(entry.value)
        if wanted is True:
            entry.value = Branch(entry.value.line, entry.value.column)
    else:
        enabled = entry.value.entries.get("enabled") if isinstance(entry.value, Branch) else None
        wanted = boolean(enabled.value) if enabled and isinstance(enabled.value, Scalar) else None
        if isinstance(entry.value, Branch) and isinstance(wanted, bool):
            del entry.value.entries["enabled"]
    if wanted is False:
        del holder.entries[place[-1]]
