"""A disk that cut off what was downloaded: it is fetched again, and nothing is made of half a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from real.clean_builds import spoil
from real.kill_shots import Ground
from real.kill_yard import make_yard, package_index

pytestmark = [pytest.mark.real, pytest.mark.slow]


WHEEL = b"PK"
"""This index tells no sizes: a wheel of its is believed by its name, until a step reads it."""


@pytest.mark.parametrize("torn", [True, False], ids=["cut off", "gone"])
def test_whatever_is_in_the_store_may_be_lost(torn: bool, tmp_path: Path) -> None:
    yard = make_yard(tmp_path, "torn")
    ground = Ground(yard.project.folder, yard.cache, yard.name)
    with package_index(tmp_path / "index") as index:
        env = yard.environment(index)
        yard.project.agent("build", env=env).ok()
        made, blobs = ground.outputs("image"), sorted(yard.cache.glob("blobs/sha256/*/*"))
        assert len(blobs) > 5
        for blob in blobs:
            if not torn or blob.read_bytes()[:2] != WHEEL:
                spoil(blob, torn)
        shutil.rmtree(yard.project.folder / ".aac")
        yard.project.agent("build", env=env).ok()
    assert ground.outputs("image") == made
    assert [blob for blob in blobs if not blob.exists()] == []
    (yard.project.folder / "dist/blobs/sha256").mkdir(parents=True)
    assert ground.torn() == []
