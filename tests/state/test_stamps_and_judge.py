"""Stamps, keys, verdicts and reasons."""

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aac_tasks.contracts.context import ContextFile, Snapshot
from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.result import Artifact, Result
from aac_tasks.state.action_cache import ActionCache
from aac_tasks.state.judge import Case, judge
from aac_tasks.state.stamps import Stamp, StampFile, exclusively

STEP = Step(
    "deploy:a",
    "deploy",
    "a",
    {"instance": {"limits": {"memory": 1}}},
    origins={"instance.limits.memory": "spec.resources.limits.memory"},
)
CASE = Case(STEP, {"instance": {"limits": {"memory": 1}}})


def stamp_of(case: Case, *artifacts: Artifact) -> Stamp:
    key = case.key
    return Stamp(case.step.id, key.key, key.deep, case.action, Result({"x": 1}, artifacts), case.tree, dict(case.upstream), 1.0)


def there(_: Artifact) -> str:
    return ""


def test_a_step_without_a_stamp_is_stale(tmp_path: Path) -> None:
    assert judge(CASE, StampFile(tmp_path), there).reason == "no finished run is on record"


def test_an_equal_key_is_up_to_date(tmp_path: Path) -> None:
    StampFile(tmp_path).write(stamp_of(CASE), {})
    verdict = judge(CASE, StampFile(tmp_path), there)
    assert verdict.fresh
    assert verdict.reason.startswith("up to date since 1970-01-01 00:00:01Z, key ")


def test_a_changed_value_is_named_by_its_place_in_agent_yaml(tmp_path: Path) -> None:
    StampFile(tmp_path).write(stamp_of(CASE), {})
    edited = replace(CASE, action={"instance": {"limits": {"memory": 2}}})
    assert judge(edited, StampFile(tmp_path), there).reason == "spec.resources.limits.memory 1 → 2"


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    def with_file(sha: str) -> Case:
        file = ContextFile("main.py", "file", tmp_path / "main.py", sha256=sha * 64)
        return replace(CASE, snapshot=Snapshot(sha, (file,)))

    StampFile(tmp_path).write(stamp_of(with_file("a")), {"main.py": "f:" + "a" * 64})
    assert judge(with_file("b"), StampFile(tmp_path), there).reason == "file main.py: sha256 aaaaaaaaaaaa → sha256 bbbbbbbbbbbb"


def test_a_files_name_is_shown_as_one_line_that_steers_nothing(tmp_path: Path) -> None:
    file = ContextFile("\x1b[31mred\rX\n", "file", tmp_path / "x", sha256="b" * 64)
    StampFile(tmp_path).write(stamp_of(CASE), {})
    case = replace(CASE, snapshot=Snapshot("b", (file,)))
    assert judge(case, StampFile(tmp_path), there).reason == r"file \x1b[31mred\rX\n: (absent) → added"


def test_an_upstream_output_is_part_of_the_key(tmp_path: Path) -> None:
    one = replace(CASE, upstream={"image:a/digest": "sha256:1"})
    StampFile(tmp_path).write(stamp_of(one), {})
    verdict = judge(replace(one, upstream={"image:a/digest": "sha256:2"}), StampFile(tmp_path), there)
    assert not verdict.fresh
    assert "sha256:1 → sha256:2" in verdict.reason


def test_a_missing_output_is_not_up_to_date(tmp_path: Path) -> None:
    StampFile(tmp_path).write(stamp_of(CASE, Artifact("blob", digest="x")), {})
    assert judge(CASE, StampFile(tmp_path), lambda a: "blob x is gone").reason == "blob x is gone"


def test_a_raised_format_is_stale_and_says_so(tmp_path: Path) -> None:
    StampFile(tmp_path).write(stamp_of(CASE), {})
    assert (
        judge(replace(CASE, step=replace(STEP, format=2)), StampFile(tmp_path), there).reason
        == "the format of its outputs was raised"
    )


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-3], lambda b: b"", lambda b: b.replace(b"deploy", b"employ"), lambda b: b"\x00" * len(b)]
)
def test_a_damaged_stamp_is_as_good_as_none(tmp_path: Path, damage: object) -> None:
    StampFile(tmp_path).write(stamp_of(CASE), {})
    path = tmp_path / "stamp"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert StampFile(tmp_path).read() is None


def _hold(folder: Path, done: str) -> None:
    with exclusively(folder):
        time.sleep(0.3)
        Path(done).write_text("x")


def test_two_processes_do_not_hold_one_step(tmp_path: Path) -> None:
    folder = tmp_path / "step"
    folder.mkdir()
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(folder, str(tmp_path / "done")))
    other.start()
    while not other.is_alive():
        time.sleep(0.01)
    time.sleep(0.25)
    with exclusively(folder):
        finished = (tmp_path / "done").exists()
    other.join()
    assert finished or other.exitcode == 0
    assert list(folder.iterdir()) == []


def test_the_action_cache_answers_only_what_the_store_can_keep(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    cache.put("a" * 64, Result({"digest": "d"}, (Artifact("blob", digest="d"),)))
    cache.put("b" * 64, Result({}, (Artifact("file", name="x"),)))
    assert cache.get("a" * 64) is not None
    assert cache.get("b" * 64) is None


def test_a_torn_action_cache_entry_is_ignored(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    cache.put("a" * 64, Result({"digest": "d"}))
    path = tmp_path / "actions" / "aa" / ("a" * 64)
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.get("a" * 64) is None


def test_what_was_put_aside_is_known_and_never_up_to_date(tmp_path: Path) -> None:
    stamps, stamp = StampFile(tmp_path), stamp_of(CASE)
    stamps.write(stamp, {})
    stamps.put_aside(replace(stamp, key=""))
    assert stamps.read() is None
    assert stamps.last() == stamp
    assert not judge(CASE, stamps, there).fresh
    stamps.put_aside(replace(stamp, key=""))  # a second run that is killed too
    assert stamps.last() == stamp
    newer = replace(stamp, finished=2.0)
    stamps.write(newer, {})
    assert stamps.last() == newer
    stamps.delete()
    assert stamps.last() is None


def test_a_step_that_never_finished_is_known_to_have_begun(tmp_path: Path) -> None:
    begun = Stamp("deploy:a", "", "", {"target": "process"}, Result())
    StampFile(tmp_path).put_aside(begun)
    assert StampFile(tmp_path).last() == begun
    assert StampFile(tmp_path).read() is None


def test_a_step_whose_last_run_failed_says_so_until_it_runs_again(tmp_path: Path) -> None:
    stamps = StampFile(tmp_path)
    stamps.write(stamp_of(CASE), {})
    stamps.put_aside()
    stamps.fail("it is not well")
    assert judge(CASE, stamps, there).reason == "its last run failed: it is not well"
    stamps.put_aside()
    assert judge(CASE, stamps, there).reason == "no finished run is on record"
    stamps.fail("it is not well")
    stamps.write(stamp_of(CASE), {})
    assert stamps.failed == ""
