"""Is it still true? (step, upstream results) → up to date, or stale because …"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.context import Snapshot
from aac_tasks.contracts.plan import Key, Step, make_key
from aac_tasks.contracts.result import Artifact, Verdict
from aac_tasks.state.differences import ABSENT, Change, compare, compare_files, visible
from aac_tasks.state.stamps import Stamp, StampFile

NEVER_RAN = "no finished run is on record"


@dataclass(frozen=True)
class Case:
    """Everything a key is made of. ``upstream`` maps ``step/output`` to the value consumed, ``deep`` step to its deep key."""

    step: Step
    action: JsonObject
    snapshot: Snapshot | None = None
    upstream: Mapping[str, Json] = field(default_factory=dict)
    deep: Mapping[str, str] = field(default_factory=dict)

    @property
    def tree(self) -> str:
        """The input tree's digest, "" without one."""
        return self.snapshot.digest if self.snapshot else ""

    @property
    def is_rooted(self) -> bool:
        """Whether the deep key is known down to the leaves: not after an upstream step that left no stamp."""
        return all(self.deep.values())

    @cached_property
    def key(self) -> Key:
        """Both keys."""
        return make_key(self.step, self.action, self.tree, dict(self.upstream), dict(self.deep))


def judge(case: Case, stamps: StampFile, missing: Callable[[Artifact], str]) -> Verdict:
    """Compare a case with its stamp; ``missing`` says what is wrong with an artifact ("" when it is there)."""
    key = case.key
    stamp = stamps.read()
    if stamp is None:
        failed = stamps.failed
        return Verdict(False, f"its last run failed: {failed}" if failed else NEVER_RAN, key.key, key.deep)
    if stamp.key != key.key:
        return Verdict(False, reason(case, stamp, stamps), key.key, key.deep)
    for artifact in stamp.result.artifacts:
        if problem := missing(artifact):
            return Verdict(False, problem, key.key, key.deep)
    since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(stamp.finished))
    return Verdict(True, f"up to date since {since}, key {key.key[:12]}", key.key, key.deep)


def changes(case: Case, stamp: Stamp, stamps: StampFile) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """(changes of the action and of what came from upstream, changes of files); the files of then are read where they matter."""
    action = tuple(compare(stamp.action, case.action))
    if any(ABSENT in (change.old, change.new) for change in action):
        from aac_tasks.state.defaults import with_defaults  # lazy: few edits leave something out

        action = with_defaults(case.step.kind, action, stamp.action, case.action)
    values = (*action, *compare(dict(stamp.upstream), dict(case.upstream), "upstream"))
    if stamp.tree == case.tree:
        return values, ()
    return values, tuple(compare_files(stamps.files(), case.snapshot.contents() if case.snapshot else {}))


def reason(case: Case, stamp: Stamp, stamps: StampFile) -> str:
    """One line: the first change, with its place in agent.yaml, and how many more; what two platforms have is one change."""
    values, trees = changes(case, stamp, stamps)
    told = (*(visible(f"{spec_path(case.step, c.path)} {c.said}") for c in values), *(f"file {c}" for c in trees))
    found = list(dict.fromkeys(told))
    if not found:
        return "the format of its outputs was raised"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0]}{more}"


_ITEM = re.compile(r"\[[^\]]*\]")


def spec_path(step: Step, path: str) -> str:
    """The place in agent.yaml that an action's value came from: that of the longest known prefix, else the action's own path.

    In a prefix ``[]`` stands for any item. In a place ``{}`` is the last of these, and ``*`` at its end the rest of the path.
    """
    shape = _ITEM.sub("[]", path)
    best = max((p for p in step.origins if shape == p or shape.startswith((f"{p}.", f"{p}["))), key=len, default="")
    if not best:
        return path
    items, used = _ITEM.findall(path), best.count("[]")
    place = step.origins[best].replace("{}", items[used - 1][1:-1] if used else "")
    if not place.endswith("*"):
        return place
    rest = "".join(part for pair in zip_longest(shape[len(best) :].split("[]"), items[used:], fillvalue="") for part in pair)
    head = place[:-1]
    return head + (rest if head and not head.endswith(" ") else rest.removeprefix("."))
