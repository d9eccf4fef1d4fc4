from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import Descriptor, Digest, HealthProbe, Platform
from aac_tasks.contracts.lock import Lock, LockedBase, LockedDependencies, LockedFile, LockedPlatform
from aac_tasks.contracts.plan import AgentPlan, Consumed, Plan, Step, TreeRequest
from aac_tasks.contracts.recipe import (
    Add,
    ApplicationLayer,
    CommandLayer,
    DependencyLayer,
    FileLayer,
    Recipe,
    Stage,
    Write,
)
from aac_tasks.contracts.recipe import Run as RunInstruction

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
texts = st.dictionaries(names, names, max_size=3)
tuples = st.lists(names, max_size=3).map(tuple)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
digests = hexes.map(lambda h: Digest(f"sha256:{h}"))
platforms = st.builds(
    Platform, st.just("linux"), st.sampled_from(["amd64", "arm64"]), st.sampled_from(["", "v8"])
)
locked_files = st.builds(LockedFile, names, names, names, hexes, st.integers(0, 2**40))
bases = st.builds(
    LockedBase,
    names,
    names,
    platforms,
    names,
    st.lists(locked_files, max_size=2).map(tuple),
    names,
    names,
    texts,
)
dependencies = st.builds(LockedDependencies, st.lists(locked_files, max_size=2).map(tuple))
runs = st.builds(RunInstruction, tuples, texts, tuples)
instructions = st.one_of(st.builds(Add, names, hexes, names), st.builds(Write, names, names), runs)
stages = st.builds(Stage, names, st.lists(instructions, max_size=3).map(tuple), names)
layers = st.one_of(
    st.builds(DependencyLayer, names, names, dependencies, tuples, stages),
    st.builds(ApplicationLayer, names),
    st.builds(FileLayer, texts),
    st.builds(CommandLayer, st.lists(runs, max_size=2).map(tuple)),
)
probes = st.builds(HealthProbe, st.sampled_from(["http", "tcp"]), names, st.integers(1, 65535), tuples)
recipes = st.builds(
    Recipe,
    names,
    platforms,
    bases,
    st.lists(layers, max_size=4).map(tuple),
    texts,
    probe=st.none() | probes,
    created=st.integers(0, 2**33),
)
locked_platforms = st.builds(LockedPlatform, platforms, bases, dependencies)
locks = st.builds(Lock, hexes, names, st.lists(locked_platforms, max_size=2).map(tuple), names, texts)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(names, json_values, max_size=3)
trees = st.builds(TreeRequest, names, tuples, tuples)
steps = st.builds(
    Step,
    names,
    st.sampled_from(["image", "test"]),
    names,
    st.none() | json_objects,
    st.none() | trees,
    tuples,
    st.lists(st.builds(Consumed, names, names), max_size=2).map(tuple),
    st.integers(1, 9),
    tuples,
    texts,
    st.booleans(),
)
plans = st.builds(
    Plan,
    st.lists(
        st.builds(AgentPlan, names, names, names, st.lists(steps, max_size=3).map(tuple)), max_size=2
    ).map(tuple),
)


@pytest.mark.parametrize(
    ("cls", "values"), [(Recipe, recipes), (Lock, locks), (Plan, plans), (HealthProbe, probes)]
)
def test_what_is_written_is_read_back_through_real_json(cls: type, values: st.SearchStrategy[object]) -> None:
    @given(values)
    def round_trip(value: object) -> None:
        assert decode(cls, json.loads(json.dumps(encode(value)))) == value

    round_trip()


def test_a_layer_says_which_kind_it_is() -> None:
    assert encode(ApplicationLayer("/srv")) == {"kind": "application", "target": "/srv"}
    assert encode(FileLayer({"/etc/x": "y"})) == {"kind": "files", "files": {"/etc/x": "y"}}


def test_a_field_at_its_default_is_left_out_so_that_a_new_field_changes_no_key() -> None:
    assert encode(Platform()) == {}
    assert encode(Platform(architecture="arm64")) == {"architecture": "arm64"}
    assert encode(Stage("deps", ())) == {"name": "deps", "instructions": []}


def test_a_digest_is_plain_text_on_paper_and_a_digest_again_when_read() -> None:
    descriptor = Descriptor("text/plain", Digest(f"sha256:{'0' * 64}"), 3)
    written = encode(descriptor)
    assert json.dumps(written)
    assert isinstance(decode(Descriptor, written).digest, Digest)


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Many:
    """Every shape that the codec knows."""

    colour: Colour = Colour.RED
    word: Literal["a", "b"] = "a"
    some: frozenset[str] = frozenset()
    pair: tuple[int, str] = (1, "x")
    ratio: float = 0.5
    free: Mapping[str, Json] = field(default_factory=dict)
    maybe: int | None = None
    yes: bool = False


@dataclass(frozen=True)
class Left:
    """One side of a union."""

    kind: ClassVar[str] = "left"
    value: int = 0


@dataclass(frozen=True)
class Right:
    """Its other side, with the same field."""

    kind: ClassVar[str] = "right"
    value: int = 0


@dataclass(frozen=True)
class Sides:
    """A union of dataclasses, alone and in a mapping."""

    side: Left | Right
    more: Mapping[str, Left | Right] = field(default_factory=dict)


def test_a_union_is_told_apart_by_its_kind_even_when_the_fields_are_equal() -> None:
    value = Sides(Right(1), {"a": Left(1), "b": Right(1)})
    assert decode(Sides, encode(value)) == value
    assert encode(Sides(Right())) == {"side": {"kind": "right"}}


def test_sets_pairs_enums_and_free_json_survive() -> None:
    value = Many(some=frozenset({"b", "a"}), pair=(2, "y"), free={"a": [1, None, {"b": True}]}, maybe=0)
    assert encode(value) == {
        "some": ["a", "b"],
        "pair": [2, "y"],
        "free": {"a": [1, None, {"b": True}]},
        "maybe": 0,
    }
    assert decode(Many, encode(value)) == value
    assert decode(Many, {"colour": "red"}).colour is Colour.RED


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ratoi": 1}, "Many: unknown field 'ratoi'"),
        ({"maybe": "1"}, "Many.maybe: expected int, got '1'"),
        ({"maybe": True}, "Many.maybe: expected int, got True"),
        ({"ratio": True}, "Many.ratio: expected float, got True"),
        ({"yes": 1}, "Many.yes: expected bool, got 1"),
        ({"word": "c"}, "Many.word: expected one of ('a', 'b'), got 'c'"),
        ({"colour": "blue"}, "'blue' is not a valid Colour"),
        ({"pair": [1]}, "Many.pair: expected 2 items, got [1]"),
        ({"pair": "xy"}, "Many.pair: expected a list, got 'xy'"),
        ({"free": []}, "Many.free: expected an object, got []"),
        ([], "Many: expected an object, got []"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(wrong: Json, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        decode(Many, wrong)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"side": {"kind": "up"}}, "Sides.side: no such kind"),
        ({"side": 3}, "Sides.side: no such kind 3"),
        ({}, "Sides: "),
        ({"side": {"kind": "left", "value": "1"}}, "Sides.side.value: expected int"),
        (
            {"side": {"kind": "left"}, "more": {"a": {"kind": "left", "x": 1}}},
            "Sides.more.a: unknown field 'x'",
        ),
    ],
)
def test_a_union_that_does_not_fit_is_refused_by_name(wrong: Json, said: str) -> None:
    with pytest.raises(ValueError, match="Sides") as refused:
        decode(Sides, wrong)
    assert said in str(refused.value)


def test_a_whole_number_is_a_float_where_one_is_wanted() -> None:
    ratio = decode(Many, {"ratio": 2}).ratio
    assert ratio == 2.0
    assert isinstance(ratio, float)


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes has no JSON form"):
        encode(b"bytes")
