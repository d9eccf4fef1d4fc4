"""Snapshots: what counts, and what must not."""

import os
from pathlib import Path

import pytest

from aac_tasks.contracts.plan import TreeRequest
from aac_tasks.errors import StepError
from aac_tasks.state.digests import FileDigests
from aac_tasks.state.tree import snapshot


def shot(root: Path, *ignore: str) -> str:
    return snapshot(root, TreeRequest("", ignore), FileDigests(root.parent / "digests.json")).digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "pkg").mkdir(parents=True)
    (root / "main.py").write_text("print(1)\n")
    (root / "pkg" / "mod.py").write_text("x = 1\n")
    (root / "link").symlink_to("main.py")
    return root


def test_the_same_tree_elsewhere_has_the_same_digest(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    (other / "pkg").mkdir(parents=True)
    (other / "link").symlink_to("main.py")
    (other / "pkg" / "mod.py").write_text("x = 1\n")
    (other / "main.py").write_text("print(1)\n")
    assert shot(tree) == shot(other)


def test_only_the_executable_bit_of_a_mode_counts(tree: Path) -> None:
    before = shot(tree)
    (tree / "main.py").chmod(0o600)
    assert shot(tree) == before
    (tree / "main.py").chmod(0o755)
    assert shot(tree) != before


def test_a_touched_file_changes_nothing(tree: Path) -> None:
    before = shot(tree)
    os.utime(tree / "main.py", (1, 1))
    assert shot(tree) == before


def test_a_same_size_edit_with_the_old_mtime_is_seen(tree: Path) -> None:
    table = FileDigests(tree.parent / "digests.json", clock_ns=lambda: 2**62)
    before = snapshot(tree, TreeRequest(""), table).digest
    table.save()
    stat = (tree / "main.py").stat()
    (tree / "main.py").write_text("print(2)\n")
    os.utime(tree / "main.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert snapshot(tree, TreeRequest(""), FileDigests(tree.parent / "digests.json")).digest != before


def test_a_file_hashed_in_the_tick_it_was_written_is_hashed_again(tree: Path) -> None:
    table = FileDigests(tree.parent / "digests.json")
    snapshot(tree, TreeRequest(""), table)
    first = table.hashed
    snapshot(tree, TreeRequest(""), table)
    assert table.hashed == 2 * first  # all were just written: their times prove nothing yet


def test_an_old_file_is_hashed_once(tree: Path) -> None:
    for path in tree.rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    table = FileDigests(tree.parent / "digests.json", clock_ns=lambda: 2**62)
    snapshot(tree, TreeRequest(""), table)
    table.save()
    again = FileDigests(tree.parent / "digests.json")
    snapshot(tree, TreeRequest(""), again)
    assert (table.hashed, again.hashed) == (2, 0)


def test_a_torn_digest_table_only_costs_hashing(tree: Path) -> None:
    before = shot(tree)
    (tree.parent / "digests.json").write_text('{"torn')
    assert shot(tree) == before


@pytest.mark.parametrize("edit", ["rename", "retarget", "add", "remove", "add folder"])
def test_every_real_edit_is_seen(tree: Path, edit: str) -> None:
    before = shot(tree)
    if edit == "rename":
        (tree / "main.py").rename(tree / "app.py")
    elif edit == "retarget":
        (tree / "link").unlink()
        (tree / "link").symlink_to("pkg/mod.py")
    elif edit == "add":
        (tree / "new.txt").write_text("")
    elif edit == "remove":
        (tree / "pkg" / "mod.py").unlink()
    else:
        (tree / "empty").mkdir()
    assert shot(tree) != before


def test_an_ignored_file_is_not_seen(tree: Path) -> None:
    before = shot(tree, "*.log")
    (tree / "noise.log").write_text("x")
    assert shot(tree, "*.log") == before


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "pkg/../../x"])
def test_a_link_out_of_the_tree_is_refused(tree: Path, target: str) -> None:
    (tree / "bad").symlink_to(target)
    with pytest.raises(StepError, match=r"bad → .* leads out of the build context"):
        shot(tree)


def test_a_pipe_is_refused_by_name(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(StepError, match="neither a file, a folder nor a link"):
        shot(tree)


def test_only_named_paths_are_taken_when_asked(tree: Path) -> None:
    taken = snapshot(tree, TreeRequest("", (), ("pkg",)), FileDigests(tree.parent / "d.json"))
    assert [f.path for f in taken.files] == ["pkg/mod.py"]


def test_a_cache_of_builds_in_what_is_built_is_refused_unless_it_is_left_out(tree: Path) -> None:
    (tree / "pkg/cache/blobs").mkdir(parents=True)
    caches = frozenset((str(tree / "pkg/cache"), "/somewhere/else"))
    digests = FileDigests(tree.parent / "digests.json")
    with pytest.raises(StepError, match="pkg/cache is a cache of builds, and part of what is built") as caught:
        snapshot(tree, TreeRequest(""), digests, caches=caches)
    assert "list pkg/cache in .dockerignore" in caught.value.hint
    left_out = snapshot(tree, TreeRequest("", ("pkg/cache",)), digests, caches=caches)
    assert "pkg/cache" not in left_out.contents()


def test_a_name_that_is_no_text_is_refused_unless_it_is_left_out(tree: Path) -> None:
    (tree / os.fsdecode(b"pkg/\xff.txt")).touch()
    with pytest.raises(StepError, match=r"'pkg/\\udcff.txt' is no name in UTF-8"):
        shot(tree)
    assert shot(tree, "pkg/*.txt") == shot(tree, "pkg/?.txt")
