"""Every field of the schema is changed; exactly the steps that its ``x-effect`` lists have another action."""

from __future__ import annotations

import copy
import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from plan.samples import BEFORE, EDITS, OWN, Edit

from aac_tasks.catalog import Catalog, Table
from aac_tasks.contracts.actions import LockAction
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.lock import Lock, LockedBase, LockedDependencies, LockedFile, LockedPlatform
from aac_tasks.contracts.plan import AgentPlan, Facts, Step
from aac_tasks.errors import PlanError
from aac_tasks.plan.compile import Request, compile_agent
from aac_tasks.plugin_manager import BUILT_INS, load
from aac_tasks.spec import ReadSpec, read_spec, schema
from aac_tasks.spec.definition import resolve
from aac_tasks.state.differences import compare
from aac_tasks.state.judge import spec_path

SCHEMA: dict[str, Any] = dict(schema({}))
TEXTS = {"Dockerfile": "ARG MODE\nFROM scratch\n", "docker/Dockerfile": "ARG MODE\nFROM scratch AS runtime\n"}
FILES = {"main.py": None, "app.py": None, **TEXTS}


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node with ``x-effect``, also those within one another; an overlay (``profiles``) has the same leaves."""
    known = resolve(SCHEMA, node)
    merged = {**known, **node}
    if "x-effect" in merged and not merged.get("x-constant"):
        yield path, merged
    if "$ref" in node and "x-effect" in node:  # says it for all that is written in that shape
        return
    if known.get("type") == "array":
        yield from leaves(known["items"], f"{path}[]")
    for clause in known.get("allOf", ()):
        kind = clause["if"].get("properties", {}).get("type", {}).get("const", "…")
        yield from leaves(clause["then"], f"{path}<{kind}>")
    for name, field in known.get("properties", {}).items():
        if name != "profiles":
            yield from leaves(field, f"{path}.{name}" if path else name)
    if path == "spec.services":
        yield from leaves(known["additionalProperties"], f"{path}.<name>")
    for pattern, field in known.get("patternProperties", {}).items():
        if pattern != "^x-":
            yield from leaves(field, f"{path}.<{field['x-plugin']}>")


LEAVES = dict(leaves(SCHEMA))


class Elsewhere:
    """A second target and a second builder, so that there is something to choose."""

    name = "elsewhere"
    format = 1
    pulls = False
    settings_schema = None


class Process(Elsewhere):
    name = "process"


class Other:
    name = "other"
    format = 1


@functools.cache
def catalog() -> Catalog:
    """The built-in plugins, and one more builder and target."""
    full = load(tuple(m for m in BUILT_INS if importlib.util.find_spec(m))).catalog
    builders: Table[Any] = Table("builder", {**full.builders.entries, "other": Other()})
    deployers: Table[Any] = Table("deployer", {"process": Process(), **full.deployers.entries, "elsewhere": Elsewhere()})
    return replace(full, builders=builders, deployers=deployers)


def locked(action: LockAction) -> Lock:
    """What resolving would give, as a pure function of the question."""
    asked = fingerprint(encode(action.base))
    files = tuple(
        LockedFile(r.partition("==")[0], r.partition("==")[2] or "1", f"https://example.org/{i}.whl", fingerprint(r))
        for i, r in enumerate(action.dependencies.requirements)
    )
    return Lock(
        inputs=action.question,
        builder=action.builder or "embedded",
        platforms=tuple(
            LockedPlatform(
                p,
                LockedBase(
                    action.base.base, action.base.reference, p, f"sha256:{asked}",
                    (LockedFile("python3", "3", "https://example.org/python3.deb", asked),), "3.13",
                ),
                LockedDependencies(files),
                images={one.reference: f"{one.reference}@sha256:{fingerprint(encode(one))}" for one in action.services.values()},
            )
            for p in action.platforms
        ),
    )  # fmt: skip


def read(document: object, profile: str = "") -> ReadSpec:
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return read_spec(text.encode(), file="agent.yaml", profile=profile, settings={})


def compiled(document: object, profile: str = "") -> AgentPlan:
    """The plan with a lock that answers it."""
    answer = read(document, profile)
    facts = Facts(Path("hello"), {name: text for name, text in FILES.items() if text}, frozenset(FILES))
    request = Request(answer.spec, answer.canonical, facts, "hello", "hello/agent.yaml")
    first = compile_agent(request, catalog())
    assert first.problems == ()
    action = first.plan.step("lock")
    assert action is not None
    lock = locked(decode(LockAction, action.action))
    return compile_agent(replace(request, facts=replace(request.facts, lock=lock)), catalog()).plan


def edited(change: Edit) -> dict[str, Any]:
    """A copy of the document with one edit."""
    document = copy.deepcopy(dict(OWN if change.own else BEFORE))
    holder: Any = document
    *way, last = change.at.split(".")
    for part in way:
        holder = holder[int(part)] if isinstance(holder, list) else holder.setdefault(part, {})
    holder[int(last) if isinstance(holder, list) else last] = change.to
    return document


def work(step: Step) -> object:
    """What a step will do: its action and the tree that it reads."""
    assert step.action is not None, step.pending
    return encode(step.action), step.tree.root if step.tree else None


def by_kind(plan: AgentPlan) -> dict[str, Step]:
    return {s.kind: s for s in plan.steps}


@functools.cache
def unedited(own: bool = False) -> dict[str, Step]:
    return by_kind(compiled(OWN if own else BEFORE))


def changed(change: Edit) -> set[str]:
    """Steps whose work an edit changes, but `parse`, which holds all that is written."""
    before, after = unedited(change.own), by_kind(compiled(edited(change)))
    assert before.keys() == after.keys()
    found = {kind for kind in before if work(before[kind]) != work(after[kind])}
    assert "parse" in found
    return found - {"parse"}


@dataclass(frozen=True)
class Case:
    leaf: str
    change: Edit

    def __str__(self) -> str:
        return f"{self.leaf} = {self.change.to}"


CASES = [Case(leaf, change) for leaf, edits in EDITS.items() for change in edits]


def test_every_leaf_of_the_schema_has_an_edit() -> None:
    assert set(EDITS) == set(LEAVES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_edit_changes_exactly_the_steps_that_the_schema_lists(case: Case) -> None:
    listed = set(LEAVES[case.leaf]["x-effect"])
    expected = listed if case.change.steps is None else set(case.change.steps)
    assert expected <= listed
    assert changed(case.change) == expected


@pytest.mark.parametrize("leaf", sorted(EDITS))
def test_the_edits_of_a_leaf_change_together_all_that_it_lists(leaf: str) -> None:
    listed = set(LEAVES[leaf]["x-effect"])
    assert {s for e in EDITS[leaf] for s in (listed if e.steps is None else e.steps)} == listed


@pytest.mark.parametrize("case", [c for c in CASES if LEAVES[c.leaf]["x-effect"]], ids=str)
def test_every_value_that_an_edit_changes_is_traced_to_where_it_was_written(case: Case) -> None:
    before, after = unedited(case.change.own), by_kind(compiled(edited(case.change)))
    for kind in changed(case.change):
        paths = {c.path for c in compare(before[kind].action, after[kind].action)}
        assert [p for p in paths if spec_path(after[kind], p) == p] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_leaf_without_effect_says_so_when_it_is_used(case: Case) -> None:
    said = [w for w in read(edited(case.change)).warnings if w.message == "accepted, no effect yet"]
    known = [w for w in read(OWN if case.change.own else BEFORE).warnings if w.message == "accepted, no effect yet"]
    assert (len(said) > len(known)) == (LEAVES[case.leaf]["x-effect"] == [])


@pytest.mark.parametrize("context", ["../..", "/etc", "src/../../.."])
def test_a_context_outside_of_the_project_is_refused(context: str) -> None:
    with pytest.raises(PlanError, match=r"hello/agent\.yaml spec\.build\.context: .* leads out of the project"):
        compiled(edited(Edit("spec.build.context", context)))


@pytest.mark.parametrize(("context", "root"), [("", "hello"), (".", "hello"), ("./src/", "hello/src"), ("..", "")])
def test_a_context_is_relative_to_the_agent(context: str, root: str) -> None:
    tree = by_kind(compiled(edited(Edit("spec.build.context", context or None))))["image"].tree
    assert tree is not None
    assert tree.root == root


def test_a_profile_changes_what_the_same_edit_of_the_spec_would() -> None:
    overlay = edited(Edit("spec.profiles", {"prod": {"resources": {"limits": {"memory": "1Gi"}}}}))
    plain, prod = by_kind(compiled(overlay)), by_kind(compiled(overlay, "prod"))
    assert [k for k in plain if work(plain[k]) != work(prod[k])] == ["parse", "deploy"]
    assert work(prod["deploy"]) == work(by_kind(compiled(edited(Edit("spec.resources.limits.memory", "1Gi"))))["deploy"])
