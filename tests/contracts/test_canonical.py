from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aac_tasks.contracts.canonical import canonical, fingerprint

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
objects = st.dictionaries(names, st.integers(-(2**53), 2**53) | names | st.none() | st.booleans(), max_size=6)


@given(objects, st.randoms())
def test_the_order_of_names_does_not_change_the_bytes(value: dict[str, object], random: object) -> None:
    shuffled = list(value.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert canonical(dict(shuffled)) == canonical(value)


@given(objects)
def test_canonical_bytes_are_json_of_the_same_value(value: dict[str, object]) -> None:
    assert json.loads(canonical(value)) == value


@given(objects, objects)
def test_values_that_differ_have_bytes_that_differ(one: dict[str, object], other: dict[str, object]) -> None:
    # repr and not ==, because True == 1 in Python and they are two values in JSON
    same = repr(sorted(one.items())) == repr(sorted(other.items()))
    assert (canonical(one) == canonical(other)) == same


def test_the_bytes_are_the_ones_that_keys_have_been_made_of() -> None:
    value = {"b": [1, 2.5, None, True], "a": "é\n"}
    assert canonical(value) == '{"a":"é\\n","b":[1,2.5,null,true]}'.encode()
    assert fingerprint(value) == hashlib.sha256(canonical(value)).hexdigest()


def test_true_one_and_text_are_three_values() -> None:
    assert len({fingerprint(v) for v in (True, 1, "1", "true", None)}) == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"a": value})
