"""One state folder for two checkouts, by a link or a bind mount, and disks that are full or can't be written: what is said
to be up to date is up to date, and what can't be done is said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from real.author import Tree, put
from real.clean_builds import clean_build, made, site, torn_blobs
from real.doors import Ended, Place, run, start

from aac_tasks.testing import need

pytestmark = [pytest.mark.real, pytest.mark.slow]

DOORS = (("doit",), ("agent", "test"))
ONE, OTHER = Tree(), Tree().with_file("run", "x1").with_value("check", 2)


@contextmanager
def mounted(*arguments: str | Path) -> Iterator[None]:
    """``mount ARGUMENTS``, the last of which is where."""
    need(os.geteuid() == 0 and shutil.which("mount"), "mounting needs root")
    done = subprocess.run(("mount", *arguments), capture_output=True, text=True, check=False)
    need(done.returncode == 0, f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(("umount", "-l", arguments[-1]), check=True)


@pytest.fixture
def checkouts(tmp_path: Path) -> list[tuple[Place, Tree]]:
    """Two with different files, and what each should come to; the state folder of the second is that of the first."""
    found = []
    for name, tree in (("one", ONE), ("other", OTHER)):
        put(tmp_path / name, tree)
        found.append((Place(tmp_path / name, tmp_path / "cache", site()), tree))
    (tmp_path / "one/.aac").mkdir()
    (tmp_path / "other/.aac").symlink_to("../one/.aac")
    return found


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_checkouts_that_share_a_state_folder_each_get_what_they_asked_for(
    door: tuple[str, ...], checkouts: list[tuple[Place, Tree]]
) -> None:
    for turn in range(3):
        for place, tree in checkouts:
            for again in range(3):
                ended = run(place, door)
                assert ended.code == 0, ended.said
                assert made(place) == clean_build(tree), f"{turn}, {again}: {ended.said}"
                assert ("parse" in ended.of("✓")) == (not again), ended.said
                time.sleep(0.05)


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_checkouts_that_share_a_state_folder_may_run_at_once(
    door: tuple[str, ...], checkouts: list[tuple[Place, Tree]]
) -> None:
    for _ in range(8):
        running = [start(place, door) for place, _ in checkouts]
        said = [one.end() for one in running]
        assert [one.code for one in said] == [0, 0], said
        time.sleep(0.05)
        for place, tree in checkouts:
            ended = run(place, door)
            assert ended.code == 0, ended.said
            assert made(place) == clean_build(tree), ended.said
            assert torn_blobs(place) == []


def test_a_checkout_that_is_mounted_elsewhere_too_is_one_checkout(tmp_path: Path) -> None:
    put(tmp_path / "one", ONE)
    (tmp_path / "other").mkdir()
    places = [Place(tmp_path / name, tmp_path / "cache", site()) for name in ("one", "other")]
    with mounted("--bind", tmp_path / "one", tmp_path / "other"):
        assert run(places[0], DOORS[0]).of("✓") == {"parse", "lock", "dockerfile", "image", "test"}
        for place in (places[1], places[0], places[1]):
            ended = run(place, DOORS[0])
            assert ended.code == 0, ended.said
            assert ended.of("✓") == set(), ended.said
        (tmp_path / "one/run").write_text("9")
        both = [start(place, DOORS[1]) for place in places]
        said = [one.end() for one in both]
        assert [one.code for one in said] == [0, 0], said
        assert [sum(one.count(kind) for one in said) for kind in ("parse", "image", "test")] == [0, 1, 1], said


SIZES = [4096 * pages for pages in (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28)]


@pytest.mark.parametrize("which", ["state", "cache"])
def test_a_disk_that_gets_full_at_any_point_is_told_and_nothing_half_is_taken_for_whole(which: str, tmp_path: Path) -> None:
    full = 0
    for size in SIZES:
        top = tmp_path / str(size)
        put(top / "project", ONE)
        place = Place(top / "project", top / "cache", site())
        disk = place.folder / ".aac" if which == "state" else place.cache
        disk.mkdir()
        with mounted("-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk):
            ended = run(place, DOORS[full % 2])
            full += told_well(ended)
            subprocess.run(("mount", "-o", "remount,size=10m", disk), check=True)
            after = run(place, DOORS[0])
            assert after.code == 0, f"{size}: {after.said}"
            assert not ended.of("✓") & after.of("✓"), f"{size}: {ended.said}\n---\n{after.said}"
            assert made(place) == clean_build(ONE), size
            assert torn_blobs(place) == []
    assert 5 <= full < len(SIZES)


def told_well(ended: Ended) -> bool:
    """Whether it failed, and then with a message that says where and why."""
    assert "Traceback" not in ended.said
    assert "bug" not in ended.said
    if ended.code == 0:
        return False
    assert ended.code in (1, 3), ended.said
    assert "No space left on device" in ended.said, ended.said
    assert "free some space" in ended.said, ended.said
    return True


READ_ONLY: dict[str, Callable[[Place], Path]] = {"project": lambda place: place.folder, "cache": lambda place: place.cache}


@pytest.mark.parametrize("which", READ_ONLY)
@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_on_a_disk_that_became_read_only_what_is_up_to_date_is_and_what_is_not_is_told(
    which: str, door: tuple[str, ...], tmp_path: Path
) -> None:
    put(tmp_path / "project", ONE)
    place = Place(tmp_path / "project", tmp_path / "cache", site())
    time.sleep(0.05)  # files that have just been written tell nothing by their times
    assert run(place, door).code == 0
    before = made(place)
    folder = READ_ONLY[which](place)
    if which == "cache":
        (place.folder / "run").write_text("1")
    with mounted("--bind", folder, folder):
        subprocess.run(("mount", "-o", "remount,bind,ro", folder), check=True)
        ended = run(place, door)
        if which == "cache":
            assert ended.code == 1, ended.said
            assert "Read-only file system" in ended.said
            assert "bug" not in ended.said
        else:
            assert ended.code == 0, ended.said
            assert ended.of("✓") == set(), ended.said
            assert made(place) == before
    ended = run(place, door)
    assert ended.code == 0, ended.said
    assert ("image" in ended.of("✓")) == (which == "cache")
