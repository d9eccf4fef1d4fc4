"""Hostile text in every text field of agent.yaml, through reading, compiling and rendering.

Either it is refused, naming the field, or the Dockerfile says exactly what the recipe does: no value becomes an instruction,
and what the author wrote is in it unchanged.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan.dockerfile_text import argv, read, values
from plan.samples import BEFORE, EDITS
from plan.test_effects import FILES, catalog, edited, locked

from aac_tasks.contracts.actions import DockerfileAction, ImageAction, LockAction
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import (
    Add,
    ApplicationLayer,
    CommandLayer,
    CompiledLayer,
    Context,
    DependencyLayer,
    FileLayer,
    Recipe,
    Run,
    Write,
)
from aac_tasks.errors import PlanError, PluginError, SpecError
from aac_tasks.plan.compile import Request, compile_agent
from aac_tasks.spec import read_spec

HOSTILE = (
    "a\nRUN evil", "a\0b", 'x" RUN evil="', "$HOME ${HOME} $(id) `id`", "x\\", "é☃\U0001f600", "a\u2028b\x85c", "\r\nUSER 0",
    "<<EOF", "# escape=`", "[]", "--from=x", " ",
)  # fmt: skip
TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.text(alphabet="\\\"'$`{}#<>=EOF \t\n\r\0[],é☃\U0001f600", min_size=1, max_size=30),
)


@dataclass(frozen=True)
class Place:
    """A text of a document: the way to it, and the edit of `samples` that brings it in (None: it is in the document)."""

    way: tuple[str | int, ...]
    leaf: str = ""
    number: int = 0

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.way)

    def with_text(self, text: str) -> dict[str, Any]:
        """The document with ``text`` there."""
        document = edited(EDITS[self.leaf][self.number]) if self.leaf else copy.deepcopy(dict(BEFORE))
        holder: Any = document
        for part in self.way[:-1]:
            holder = holder[part]
        holder[self.way[-1]] = text
        return document


def texts(node: object, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(node, str):
        yield way
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from texts(value, (*way, name))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from texts(value, (*way, number))


def places() -> Iterator[Place]:
    """Every text that a document or an edit has; an author's own Dockerfile is not written by us."""
    yield from (Place(way) for way in texts(BEFORE))
    for leaf, edits in EDITS.items():
        for number, change in enumerate(edits):
            if "dockerfile" in edited(change)["spec"].get("build", {}):
                continue
            start = tuple(int(part) if part.isdigit() else part for part in change.at.split("."))
            yield from (Place(way, leaf, number) for way in texts(change.to, start))


PLACES = list({str(place): place for place in places()}.values())


def as_bytes(document: object) -> bytes:
    """As JSON, which is YAML too; what YAML takes for the end of a line is escaped, everything else as it is."""
    text = json.dumps(document, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda m: f"\\u{ord(m.group(0)):04x}", text).encode()


def rendered(document: object) -> tuple[Recipe, str]:
    """The recipe and the text of its Dockerfile; the errors are those that a user would see."""
    answer = read_spec(as_bytes(document), file="agent.yaml")
    known = Facts(Path("hello"), {name: text for name, text in FILES.items() if text}, frozenset(FILES))
    request = Request(answer.spec, answer.canonical, known, "hello", "agent.yaml")
    first = compile_agent(request, catalog())
    if first.problems:
        raise PlanError("; ".join(f"{path}: {message}" for path, message in first.problems))
    action = first.plan.step("lock")
    assert action is not None
    lock = locked(decode(LockAction, action.action))
    plan = compile_agent(replace(request, facts=replace(known, lock=lock)), catalog()).plan
    steps = {step.kind: step.action for step in plan.steps}
    recipe = decode(ImageAction, steps["image"]).recipes[0]
    files = decode(DockerfileAction, steps["dockerfile"]).files
    return recipe, files.get("Dockerfile") or files[f"Dockerfile.{str(recipe.platform).replace('/', '-')}"]


def said(recipe: Recipe, text: str) -> list[str]:
    """Every text in the Dockerfile, as an engine reads it; all of it must be the recipe's."""
    found = read(text)
    rest = {word: [i.rest for i in found if i.word == word] for word in {i.word for i in found}}
    assert values(text, "ENV") == dict(recipe.env)
    assert values(text, "LABEL") == dict(recipe.labels)
    assert rest.get("EXPOSE", []) == list(recipe.ports)
    assert rest["USER"][-1] == recipe.user
    assert rest["WORKDIR"] == [recipe.workdir]
    probe = recipe.probe.command if recipe.probe else ()
    commands = {"ENTRYPOINT": recipe.entrypoint, "CMD": recipe.command, "HEALTHCHECK": probe}
    for word, meant in commands.items():
        assert (tuple(argv(text, word)) if word in rest else ()) == meant
    counted = Counter(i.word for i in found)
    assert {word: counted[word] for word in ("FROM", "RUN", "ADD", "COPY")} == expected(recipe)
    run = [word for line in rest.get("RUN", ()) for word in json.loads(line[line.index("[") :])]
    documents = [json.loads(i.document) for i in found if i.document and i.rest.endswith("/etc/agent/config.json")]
    told = [*recipe.env.values(), *recipe.labels, *recipe.labels.values(), *(w for words in commands.values() for w in words)]
    return [*told, *run, *(t for d in documents for t in strings(d)), *(r for rests in rest.values() for r in rests)]


def expected(recipe: Recipe) -> dict[str, int]:
    """How many instructions the recipe makes of each kind that brings or does something."""
    stages = [layer.stage for layer in recipe.layers if isinstance(layer, DependencyLayer | CompiledLayer)]
    inner = [i for stage in stages for i in stage.instructions]
    copied = sum(len(layer.paths) for layer in recipe.layers if isinstance(layer, DependencyLayer | CompiledLayer))
    copied += sum(len(layer.files) for layer in recipe.layers if isinstance(layer, FileLayer))
    copied += sum(isinstance(layer, ApplicationLayer) for layer in recipe.layers)
    commands = sum(len(layer.commands) for layer in recipe.layers if isinstance(layer, CommandLayer))
    return {
        "FROM": 1 + len(stages),
        "RUN": commands + sum(isinstance(i, Run) for i in inner),
        "ADD": sum(isinstance(i, Add) for i in inner),
        "COPY": copied + sum(isinstance(i, Write | Context) for i in inner),
    }


def strings(node: object) -> Iterator[str]:
    """Every name and text in a document."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from (name, *strings(value))
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


@functools.cache
def plain(place: Place) -> str | None:
    """The Dockerfile with an ordinary word there; None where no word is accepted."""
    try:
        return rendered(place.with_text("plain"))[1]
    except (SpecError, PlanError, PluginError):
        return None


def judge(place: Place, value: str) -> str:
    """``refused``, ``written``, or ``elsewhere``: the field is no part of the Dockerfile.

    A description's lines are joined, and a variable that names another is told when the agent starts.
    """
    try:
        recipe, text = rendered(place.with_text(value))
    except (SpecError, PlanError, PluginError) as error:
        names = [str(part) for part in place.way if isinstance(part, str)][-2:]
        assert any(name in str(error) for name in names), f"{place} = {value[:80]!r} is refused without its name: {error}"
        return "refused"
    told = said(recipe, text)
    at_run_time = place.way[-1] == "value" and "${" in value
    if text == plain(place) or at_run_time:
        return "elsewhere"
    meant = " ".join(value.split("\n")).strip() if place.way[-1] == "description" else value
    assert any(meant in t for t in told), f"{place} = {value[:80]!r} is another text in the Dockerfile"
    return "written"


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_hostile_text_in_a_field_is_refused_by_name_or_written_as_it_is(place: Place) -> None:
    assert {judge(place, value) for value in HOSTILE} <= {"refused", "written", "elsewhere"}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PLACES), TEXT)
def test_any_text_in_any_field_is_refused_by_name_or_written_as_it_is(place: Place, value: str) -> None:
    judge(place, value)


WRITTEN = ("metadata.author", "metadata.labels.team", "spec.environment.0.value", "spec.args.0",
           "spec.config.greeting", "spec.model.name")  # fmt: skip


@pytest.mark.parametrize("place", [p for p in PLACES if str(p) in WRITTEN], ids=str)
def test_what_can_be_written_is_written_quotes_dollars_and_all(place: Place) -> None:
    assert judge(place, "\"'\\ $HOME #<<EOF é☃\U0001f600") == "written"


def test_a_text_of_one_megabyte_is_written_as_it_is() -> None:
    (place,) = (p for p in PLACES if str(p) == "spec.environment.0.value")
    assert judge(place, "x" * 1_000_000) == "written"


def test_these_are_the_fields_that_are_tried() -> None:
    tried = {str(place) for place in PLACES}
    assert set(WRITTEN) <= tried
    assert len(tried) > 100


@pytest.mark.parametrize("block", ["labels", "annotations"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_or_written_as_it_is(block: str, name: str) -> None:
    document = copy.deepcopy(dict(BEFORE))
    document["metadata"] = {**document["metadata"], block: {name: "value"}}
    try:
        recipe, text = rendered(document)
    except (SpecError, PlanError) as error:
        assert block.removesuffix("s") in str(error)
        return
    said(recipe, text)
    assert (recipe.labels if block == "labels" else recipe.annotations)[name] == "value"
