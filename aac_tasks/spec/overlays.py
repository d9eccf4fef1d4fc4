"""A profile's overlay onto the spec, on the tree, so that every value keeps its place in the file.

Mappings are merged key by key, lists are replaced, null removes; ``environment`` is merged by name.
"""

from __future__ import annotations

import difflib

from aac_tasks.errors import Problem
from aac_tasks.spec.scalars import is_null
from aac_tasks.spec.tree import Branch, Entry, Items, Node, Scalar


def take_profiles(spec: Branch) -> dict[str, Entry]:
    """Remove ``profiles`` and return its entries; what is no mapping stays, for the schema to refuse."""
    entry = spec.entries.get("profiles")
    if entry is None or not isinstance(entry.value, Branch):
        return {}
    del spec.entries["profiles"]
    return dict(entry.value.entries)


def nested(profiles: dict[str, Entry], file: str) -> list[Problem]:
    """The problems of profiles within profiles, which are taken out."""
    problems = []
    for name, entry in profiles.items():
        inner = entry.value.entries.pop("profiles", None) if isinstance(entry.value, Branch) else None
        if inner:
            path = f"spec.profiles.{name}.profiles"
            message = "a profile can't hold profiles; put each directly below spec.profiles"
            problems.append(Problem(file, inner.line, inner.column, path, message))
    return problems


def unknown_profile(name: str, known: tuple[str, ...], file: str) -> Problem:
    """The problem of asking for a profile that is not there."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    there = f"this file has {', '.join(known)}" if known else "this file has no profiles"
    text = f"unknown profile {name!r}{hint} ({there}; a registry profile is chosen with --registry-profile)"
    return Problem(file, 0, 0, "spec.profiles", text)


def overlay(base: Branch, over: Branch, *, top: bool = True) -> Branch:
    """A new mapping: ``base`` with ``over`` on it. ``top``: specs, whose ``environment`` merges by name."""
    result = Branch(base.line, base.column, dict(base.entries))
    for key, entry in over.entries.items():
        there = result.entries.get(key)
        if isinstance(entry.value, Scalar) and is_null(entry.value):
            result.entries.pop(key, None)
        elif there is None:
            result.entries[key] = entry
        else:
            value = _combine(there.value, entry.value, by_name=top and key == "environment")
            result.entries[key] = Entry(entry.line, entry.column, value)
    return result


def _combine(base: Node, over: Node, *, by_name: bool) -> Node:
    if isinstance(base, Branch) and isinstance(over, Branch):
        return overlay(base, over, top=False)
    if by_name and isinstance(base, Items) and isinstance(over, Items):
        return _merge_by_name(base, over)
    return over


def _merge_by_name(base: Items, over: Items) -> Items:
    changed = {name: item for item in over.items if (name := _name(item))}
    kept = [changed.pop(_name(item), item) for item in base.items]
    nameless = [item for item in over.items if not _name(item)]
    return Items(over.line, over.column, [*kept, *changed.values(), *nameless])


def _name(item: Node) -> str:
    entry = item.entries.get("name") if isinstance(item, Branch) else None
    return entry.value.text if entry and isinstance(entry.value, Scalar) else ""
