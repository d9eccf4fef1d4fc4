"""What an action leaves out because it is the default: said when it changes. Imported when there is something to explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from aac_tasks.contracts.actions import DeployAction, ImageAction, LockAction, PushAction, TestAction
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.codec import decode
from aac_tasks.state.differences import ABSENT, Change, compare

ACTIONS: Mapping[str, type] = {
    "lock": LockAction, "image": ImageAction, "test": TestAction, "push": PushAction, "deploy": DeployAction,
}  # fmt: skip
"""Step kind → what its action is."""


def with_defaults(kind: str, changes: Sequence[Change], old: JsonObject, new: JsonObject) -> tuple[Change, ...]:
    """The same changes, with the default in the place of what was left out; nothing says more than 0 or an empty text."""
    try:
        whole = {c.path: c for c in compare(_whole(kind, old), _whole(kind, new))}
    except (KeyError, ValueError):  # a step of a plugin's, or a stamp of an older version
        return tuple(changes)
    return tuple(_filled(change, whole.get(change.path, change)) for change in changes)


def _whole(kind: str, action: JsonObject) -> JsonObject:
    return asdict(decode(ACTIONS[kind], action))


def _filled(change: Change, whole: Change) -> Change:
    def said(value: Json, default: Json) -> Json:
        return default if value == ABSENT and (default or default is False) else value

    return replace(change, old=said(change.old, whole.old), new=said(change.new, whole.new))
