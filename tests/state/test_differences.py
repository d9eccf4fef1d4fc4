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


def test_a_line_that_was_added_or_removed_is_said_and_not_all_that_moved() -> None:
    old = "".join(f"ENV {name}=1\n" for name in "BCD")
    assert Change("Dockerfile", old, f"ENV A=1\n{old}").said == "line 1 added: ENV A=1"
    assert Change("Dockerfile", old, old.replace("ENV C=1\n", "")).said == "line 2 removed: ENV C=1"
    assert Change("Dockerfile", old, old.replace("C=1", "C=2")).said == "line 2: ENV C=1 → ENV C=2"
    assert Change("Dockerfile", old, old[:-1]).said == "blank lines or line breaks differ"
    assert Change("Dockerfile", old, f"\nENV A=1\n{old}").said == "line 2 added: ENV A=1"
    assert Change("Dockerfile", old, ABSENT).said == "removed"


def test_every_line_that_differs_can_be_had() -> None:
    assert list(Change("x", "a\nb\nc\n", "a\nB\nc\nd\n").lines()) == ["line 2: b → B", "line 4 added: d"]


def test_things_with_names_are_known_by_them() -> None:
    old = [{"name": "a", "version": "1", "sha256": "x"}, {"name": "b", "version": "1"}, {"name": "c", "version": "1"}]
    assert list(compare(old, [old[0], old[2]], "files")) == [Change("files[b]", "1", ABSENT)]
    assert list(compare(old, [{**old[0], "version": "2", "sha256": "y"}, *old[1:]], "files")) == [Change("files[a]", "1", "2")]
    assert list(compare(old, [{**old[0], "sha256": "y"}, *old[1:]], "files")) == [Change("files[a].sha256", "x", "y")]
    assert list(compare({}, {"files": [old[1]]})) == [Change("files[b]", ABSENT, "1")]
    assert list(compare([old[0], old[1]], [old[1], old[0]], "files")) == [Change("files", ["a", "b"], ["b", "a"])]


def test_a_thing_without_a_version_is_told_by_what_it_is() -> None:
    one, other = {"name": "MODE", "value": "plain"}, {"name": "bare"}
    assert list(compare([], [one], "env")) == [Change("env[MODE]", ABSENT, "plain")]
    assert list(compare([one], [one, other], "env")) == [Change("env[bare]", ABSENT, "there")]


def test_the_only_thing_of_a_list_may_be_renamed() -> None:
    assert list(compare([{"name": "a", "x": 1}], [{"name": "b", "x": 1}], "models")) == [Change("models[0].name", "a", "b")]


def test_things_of_kinds_are_known_by_them_and_one_that_is_nothing_else_is_there() -> None:
    files = {"kind": "files", "files": {"a": "1"}}
    assert list(compare([files], [{"kind": "x", "y": 1}, files], "layers")) == [Change("layers[x].y", ABSENT, 1)]
    assert list(compare([files], [files, {"kind": "application"}], "layers")) == [Change("layers[application]", ABSENT, "there")]


def test_items_without_names_are_known_by_what_stays_beside_them() -> None:
    assert list(compare(["b", "c"], ["a", "b", "c"], "command")) == [Change("command[0]", ABSENT, "a")]
    assert list(compare([{"p": 1}, {"p": 2}], [{"p": 2}], "ports")) == [Change("ports[0]", {"p": 1}, ABSENT)]
    assert list(compare([], ["a"])) == [Change("[0]", ABSENT, "a")]
    assert list(compare({}, {"x": []})) == [Change("x", ABSENT, [])]


def test_values_of_a_json_file_are_compared_one_by_one() -> None:
    (change,) = compare({"a.json": '{"x": {"y": 1}}'}, {"a.json": '{"x": {"y": 2}}'})
    assert change == Change("a.json.x.y", 1, 2)
    (change,) = compare({"a.json": '{"x": 1}'}, {"a.json": '{"x":  1}'})
    assert change.path == "a.json"
