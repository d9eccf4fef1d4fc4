"""The manifest: which agents a change concerns, and when it may speak at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from aac_tasks.fast import look_at
from aac_tasks.state.manifest import (
    GONE,
    NEVER,
    THERE,
    AgentEvidence,
    Evidence,
    Numbers,
    described,
    numbers_of,
    recall,
    write_manifest,
)
from aac_tasks.state.root import StateFolder

FILES = ("code.py", "agents/a/main.py", "agents/b/main.py", "shared/text")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    StateFolder(tmp_path).open()
    time.sleep(0.05)  # a clock tick: a folder that changes twice in one has the same times
    return tmp_path


def seen(root: Path, *names: str) -> dict[str, Numbers]:
    return dict(described(root / name for name in names))


def written(root: Path, a: dict[str, Numbers], b: dict[str, Numbers], listed: tuple[str, ...] = ("agents",)) -> bool:
    agents = (AgentEvidence("a", "agents/a", "agents/a/agent.yaml", a, "said of a", ("image:a",)),)
    agents += (AgentEvidence("b", "agents/b", "agents/b/agent.yaml", b, "said of b", ("image:b",)),)
    evidence = Evidence(seen(root, "code.py"), seen(root, *listed), agents, "all well\n")
    return write_manifest(StateFolder(root), ["build"], evidence)


def usual(root: Path) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    return seen(root, "agents/a/main.py", "shared/text"), seen(root, "agents/b", "agents/b/main.py", "shared/text")


def untouched(*arguments: str) -> list[str] | None:
    """Agents of which nothing changed; None when every one is in doubt."""
    look_at(list(arguments))
    known = recall(list(arguments))
    return None if known is None else [agent.name for agent in known.agents]


def test_what_is_as_it_was_is_told_again(root: Path) -> None:
    assert written(root, *usual(root))
    look = look_at(["build"])
    assert look is not None
    assert (look.is_unchanged, look.said, look.steps, look.root) == (True, "all well\n", "image\x1fa\x1fb", str(root))


def test_a_changed_file_concerns_its_agent_only_and_the_rest_is_known_as_it_was(root: Path) -> None:
    a, b = usual(root)
    written(root, a, b)
    (root / "agents/a/main.py").write_text("edited")
    look_at(["build"])
    known = recall(["build"])
    assert known is not None
    assert [agent.name for agent in known.agents] == ["b"]
    assert recall(["build"]) is None, "what was looked at serves one run"
    assert known.evidence.agents[0] == AgentEvidence("b", "agents/b", "agents/b/agent.yaml", b, "said of b", ("image:b",))
    assert known.evidence.common == seen(root, "code.py")
    assert (known.doubted, known.listed) == (("agents/a",), True)
    assert known.evidence.listed == seen(root, "agents"), "no folder changed in which there could be another agent"


def test_a_shared_file_concerns_all_who_read_it(root: Path) -> None:
    written(root, *usual(root))
    (root / "shared/text").write_text("edited")
    assert untouched("build") is None


def test_code_concerns_everybody(root: Path) -> None:
    written(root, *usual(root))
    (root / "code.py").write_text("edited")
    assert untouched("build") is None


def test_a_new_folder_among_agents_is_noticed_and_concerns_none_of_them(root: Path) -> None:
    written(root, *usual(root))
    (root / "agents/c").mkdir()
    look = look_at(["build"])
    assert look is not None
    assert not look.is_unchanged
    known = recall(["build"])
    assert known is not None
    assert [agent.name for agent in known.agents] == ["a", "b"]
    assert not known.listed
    assert known.evidence.listed == {}


def test_how_many_steps_run_at_once_is_no_other_command(root: Path) -> None:
    written(root, *usual(root))
    for words in (["build", "-n", "2"], ["build", "--jobs", "auto", "-k"]):
        look = look_at(words)
        assert look is not None
        assert look.is_unchanged
    assert look_at(["build", "a"]) is None
    for number in ("0", "many", "-1", ""):
        assert look_at(["build", "-n", number]) is None, "the command line must refuse it"


def test_what_is_missing_is_noticed_when_it_comes_through_its_folder_alone(root: Path) -> None:
    a, b = usual(root)
    written(root, a, {**b, str(root / "agents/b/requirements.txt"): GONE, str(root / "agents/b/more/base.txt"): GONE})
    look = look_at(["build"])
    assert look is not None
    assert look.is_unchanged
    assert [p for p in look.entries()[0] if b"txt" in p] == []
    (root / "agents/b/more").mkdir()
    assert untouched("build") == ["a"]


def test_a_link_that_leads_nowhere_is_looked_at_itself(root: Path) -> None:
    a, b = usual(root)
    (root / "agents/b/link").symlink_to("../../later")
    b = {**b, **seen(root, "agents/b"), str(root / "agents/b/link"): GONE}
    written(root, a, b, listed=("agents", "agents/b"))
    assert untouched("build") == ["a", "b"]
    (root / "later").write_text("now there is something")
    assert untouched("build") == ["a"]


def test_a_file_of_which_only_its_being_there_matters_may_change(root: Path) -> None:
    a, b = usual(root)
    written(root, a, {**b, str(root / "agents/b/main.py"): THERE})
    (root / "agents/b/main.py").write_text("edited")
    assert untouched("build") == ["a", "b"]
    (root / "agents/b/main.py").unlink()
    (root / "agents/b/main.py").mkdir()
    assert untouched("build") == ["a"]


def test_an_agent_in_doubt_is_concerned_every_time_and_two_in_doubt_leave_nothing_to_say(root: Path) -> None:
    a = usual(root)[0]
    assert written(root, a, {"": NEVER})
    assert untouched("build") == ["a"]
    assert not written(root, {"": NEVER}, {"": NEVER})
    assert not (root / ".aac/manifest/build").exists()


def test_two_looks_that_saw_different_things_put_both_agents_in_doubt(root: Path) -> None:
    a, b = usual(root)
    written(root, a, {**b, str(root / "shared/text"): (1, 2, 3, 4)})
    assert untouched("build") is None


def test_a_torn_manifest_or_one_of_another_place_says_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(root, *usual(root))
    path = root / ".aac/manifest/build"
    whole = path.read_bytes()
    for torn in (whole[:-8], whole[:40], b"", whole + b"\0"):
        path.write_bytes(torn)
        assert look_at(["build"]) is None
    path.write_bytes(whole)
    monkeypatch.setenv("AAC_PROFILE", "prod")
    assert look_at(["build"]) is None


def test_names_that_no_line_can_hold_leave_no_manifest(root: Path) -> None:
    (root / "agents/a/two\nlines").write_text("odd")
    a, b = usual(root)
    assert not written(root, {**a, **seen(root, "agents/a/two\nlines")}, b)


def test_bytes_that_are_no_text_are_names_too(root: Path) -> None:
    odd = os.fsencode(root / "agents/a") + b"/\xff\xfe"
    Path(os.fsdecode(odd)).write_text("odd")
    a, b = usual(root)
    assert written(root, {**a, **dict(described([Path(os.fsdecode(odd))]))}, b)
    assert untouched("build") == ["a", "b"]
    Path(os.fsdecode(odd)).write_text("edited")
    assert untouched("build") == ["b"]


def test_many_files_are_compared_by_two_processes_with_the_same_outcome(root: Path) -> None:
    names = [f"agents/a/{number:05d}" for number in range(4500)]
    for name in names:
        (root / name).touch()
    a, b = usual(root)
    written(root, {**a, **seen(root, *names)}, b)
    assert untouched("build") == ["a", "b"]
    for name in (names[3], names[-3]):
        (root / name).write_text("edited")
        look = look_at(["build"])
        assert look is not None
        assert len(look.changed) == 1
        assert untouched("build") == ["b"]
        written(root, {**a, **seen(root, *names)}, b)


@pytest.mark.parametrize("portion", [0, 1, 17, 40, 1 << 13])
@pytest.mark.parametrize("many", [3, 4000])
def test_in_whatever_portions_paths_are_looked_at_each_is_looked_at_once(root: Path, portion: int, many: int) -> None:
    a, b = usual(root)
    written(root, a, {**b, "": NEVER})  # the last path is the empty one
    look = look_at(["build"])
    assert look is not None
    paths = look.entries()[0]
    assert look.compare(many, portion) == [paths.index(b"")] == [len(paths) - 1]
    changed = set(look.changed)
    for number, path in enumerate(paths[:-1]):
        (root / os.fsdecode(path)).touch()
        changed.add(number)
        assert look.compare(many, portion) == sorted(changed)


def test_what_was_touched_as_the_run_began_proves_nothing() -> None:
    now = time.time_ns()
    old = f"{now - 10**9}:{now - 10**9}:1:2"
    assert numbers_of({"/x": old, "/y": "-", "/z": "+"}, now) == {"/x": (now - 10**9, now - 10**9, 1, 2), "/y": GONE, "/z": THERE}
    assert numbers_of({"/x": f"{now - 10**9}:{now}:1:2"}, now) is None
