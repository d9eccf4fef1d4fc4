"""A shared cache in a folder, and blobs that are lent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aac_tasks.contracts.image import Descriptor, Digest
from aac_tasks.contracts.result import Artifact
from aac_tasks.errors import LostError, StepError
from aac_tasks.state.blobs import Blobs
from aac_tasks.state.cleaning import verify
from aac_tasks.state.presence import missing_locally
from aac_tasks.state.shared_folder import SharedFolder

NAME = "a" * 64


@dataclass
class Friend:
    """Lends what is in another store."""

    store: Blobs
    folder: SharedFolder
    fetched: list[Digest] = field(default_factory=list)

    def lends(self, digest: Digest) -> bool:
        return self.folder.holds(digest)

    def fetch(self, digest: Digest) -> None:
        self.fetched.append(digest)
        self.folder.fetch(Descriptor("x", digest, 0))


def test_an_entry_comes_back_with_the_blobs_it_promises(tmp_path: Path) -> None:
    mine, yours = Blobs(tmp_path / "mine"), Blobs(tmp_path / "yours")
    blob = mine.put(b"layer", media_type="x")
    SharedFolder(tmp_path / "shared", mine).write(NAME, b"entry", [blob])
    found = SharedFolder(tmp_path / "shared", yours)
    assert found.read(NAME) == b"entry"
    assert found.read("b" * 64) is None
    assert list(found.names()) == [NAME]
    assert found.holds(blob.digest)
    found.fetch(blob)
    assert yours.path(blob.digest).read_bytes() == b"layer"
    assert found.problem(blob) == ""


def test_a_blob_with_other_bytes_is_not_taken(tmp_path: Path) -> None:
    mine = Blobs(tmp_path / "mine")
    shared = SharedFolder(tmp_path / "shared", mine)
    blob = mine.put(b"layer", media_type="x")
    shared.write(NAME, b"entry", [blob])
    path = next((tmp_path / "shared/blobs").rglob(blob.digest.hex))
    path.unlink()
    path.write_bytes(b"poison")
    mine.remove(blob.digest)
    with pytest.raises(StepError, match="hash to"):
        shared.fetch(blob)
    assert not mine.has(blob.digest)
    assert "other bytes" in shared.problem(blob)
    path.unlink()
    assert shared.problem(blob) == "is not there"
    with pytest.raises(StepError, match="can't be read"):
        shared.fetch(blob)


def test_a_folder_that_can_not_be_used_is_an_error_of_the_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    shared = SharedFolder(tmp_path / "file", Blobs(tmp_path / "mine"))
    with pytest.raises(StepError, match="can't be written"):
        shared.write(NAME, b"entry", [])
    with pytest.raises(StepError, match="can't be read"):
        shared.read(NAME)


def test_what_is_lent_is_present_and_brought_when_it_is_opened(tmp_path: Path) -> None:
    other = Blobs(tmp_path / "other")
    blob = other.put(b"layer", media_type="x")
    folder = SharedFolder(tmp_path / "shared", other)
    folder.write(NAME, b"entry", [blob])
    mine = Blobs(tmp_path / "mine", lambda: friend)
    friend = Friend(mine, SharedFolder(tmp_path / "shared", mine))
    artifact = Artifact("blob", digest=blob.digest, size=5)
    assert missing_locally(artifact, tmp_path, mine) == ""
    assert not mine.has(blob.digest)
    assert friend.fetched == []
    for _ in range(2):
        with mine.open(blob.digest) as file:
            assert file.read() == b"layer"
    assert friend.fetched == [blob.digest]


def test_what_nobody_lends_is_gone(tmp_path: Path) -> None:
    mine = Blobs(tmp_path / "mine")
    digest = Digest(f"sha256:{'0' * 64}")
    assert "is gone" in (missing_locally(Artifact("blob", digest=digest), tmp_path, mine) or "")
    with pytest.raises(LostError, match="is not in the store"):
        mine.bring(digest)


def test_verify_reads_everything_and_removes_what_is_damaged(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    good, bad = (blobs.put(data, media_type="x") for data in (b"good", b"bad"))
    path = blobs.path(bad.digest)
    path.chmod(0o644)
    path.write_bytes(b"b@d")
    torn = tmp_path / "actions/ab" / ("ab" * 32)
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"0000\n{}")
    checked = verify(tmp_path)
    assert checked.files == 3
    assert set(checked.damaged) == {path.relative_to(tmp_path).as_posix(), torn.relative_to(tmp_path).as_posix()}
    assert blobs.has(good.digest)
    assert not path.exists()
    assert not torn.exists()
    assert verify(tmp_path).damaged == {}
