"""Files that change are noticed; others are not."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aac_tasks.steps.watching import Watching


@contextmanager
def watched(*folders: Path, wanted: Callable[[Path], bool] = lambda path: True) -> Iterator[Watching]:
    watching = Watching(folders, wanted)
    try:
        yield watching
    finally:
        watching.close()


def noticed(watching: Watching, *paths: Path) -> set[Path]:
    """What is noticed until ``paths`` are among it."""
    found: set[Path] = set()
    end = time.monotonic() + 60
    while not found.issuperset(paths) and time.monotonic() < end:
        found.update(watching.changed(1.0))
    return found


def test_made_changed_moved_and_removed_files_are_noticed_in_every_folder(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one / "deep", two):
        folder.mkdir(parents=True)
    (two / "old").write_text("x")
    with watched(one, two) as watching:
        (one / "deep/new").write_text("x")
        assert one / "deep/new" in noticed(watching, one / "deep/new")
        (two / "old").write_text("y")
        assert two / "old" in noticed(watching, two / "old")
        (two / "old").replace(two / "moved")
        assert {two / "old", two / "moved"} <= noticed(watching, two / "old", two / "moved")
        (two / "moved").unlink()
        assert two / "moved" in noticed(watching, two / "moved")
        (one / "later").mkdir()
        noticed(watching, one / "later")
        (one / "later/file").write_text("x")
        assert one / "later/file" in noticed(watching, one / "later/file")


def test_what_nobody_wants_and_what_editors_leave_for_a_moment_is_passed_over(tmp_path: Path) -> None:
    with watched(tmp_path, wanted=lambda path: path.suffix != ".log") as watching:
        for name in ("a.log", ".main.py.swp", "main.py~", ".#main.py", "4913"):
            (tmp_path / name).write_text("x")
        (tmp_path / "main.py").write_text("x")  # the last one: by then the others have been seen
        assert noticed(watching, tmp_path / "main.py") == {tmp_path / "main.py"}


def test_what_was_there_before_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x")
    with watched(tmp_path) as watching:
        (tmp_path / "new").write_text("x")
        assert noticed(watching, tmp_path / "new") == {tmp_path / "new"}


TALKER = """
import sys
from pathlib import Path
from aac_tasks.steps.watching import Watching
folder = Path(sys.argv[1])
watching = Watching((folder,), lambda path: True)
print("a round", flush=True)
(folder / "main.py").write_text("x")
found = set()
while folder / "main.py" not in found:
    found.update(watching.changed(1.0))
watching.close()
sys.stderr.write(" ".join(sorted(path.name for path in found)))
"""


def test_what_a_watcher_says_itself_is_no_reason_to_say_more(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        argv = (sys.executable, "-c", TALKER, str(tmp_path))
        done = subprocess.run(argv, stdout=log, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == "main.py"
    assert (tmp_path / "log").read_text() == "a round\n"
