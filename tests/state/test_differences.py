from __future__ import annotations

from aac_tasks.state.differences import ABSENT, Change, compare


def test_a_value_that_is_set_for_the_first_time_is_named_itself_not_all_around_it() -> None:
    (change,) = compare({"instance": {"name": "x"}}, {"instance": {"name": "x", "limits": {"memory": 1024}}})
    assert change == Change("instance.limits.memory", ABSENT, 1024)


def test_a_value_that_is_removed_is_named_itself() -> None:
    (change,) = compare({"limits": {"memory": 1024}}, {})
    assert change == Change("limits.memory", 1024, ABSENT)


def test_digests_are_shown_in_a_length_that_can_be_compared_by_eye() -> None:
    old, new = "sha256:" + "1" * 64, "2" * 64
    assert str(Change("upstream", old, new)) == f"upstream: sha256:{'1' * 12}… → {'2' * 12}…"
