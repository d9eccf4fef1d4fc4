"""The blob store: whole or not at all."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aac_tasks.contracts.image import Digest
from aac_tasks.errors import StepError
from aac_tasks.state.blobs import Blobs, pieces
from aac_tasks.state.root import write_atomically
from aac_tasks.testing import need


def test_a_blob_is_found_by_the_digest_of_its_bytes(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    found = blobs.put([b"hello ", b"world"], media_type="text/plain")
    assert found.digest == "sha256:" + hashlib.sha256(b"hello world").hexdigest()
    assert found.size == 11
    assert blobs.open(found.digest).read() == b"hello world"


def test_bytes_that_lie_about_their_digest_are_not_stored(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    wanted = Digest("sha256:" + "0" * 64)
    with pytest.raises(StepError, match="not to the sha256:000"):
        blobs.put(b"x", media_type="text/plain", expect=wanted)
    assert not blobs.has(wanted)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data + b"x"])
def test_a_blob_of_another_size_is_not_the_one_that_is_described(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    blobs = Blobs(tmp_path)
    kept = blobs.put(b"hello", media_type="text/plain")
    assert blobs.has(kept)
    blobs.path(kept.digest).chmod(0o644)
    blobs.path(kept.digest).write_bytes(damage(b"hello"))
    assert not blobs.has(kept)
    blobs.put(b"hello", media_type="text/plain")
    assert blobs.has(kept)


def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> object:
        yield b"half"
        raise OSError("cable")

    with pytest.raises(OSError, match="cable"):
        Blobs(tmp_path).put(broken(), media_type="x")  # type: ignore[arg-type]
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_missing_blob_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="run the step that makes it again"):
        Blobs(tmp_path).open(Digest("sha256:" + "0" * 64))


def test_a_torn_memo_is_as_good_as_none(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    blobs.remember("ab12", "text\nof two lines")
    assert blobs.memo("ab12") == "text\nof two lines"
    path = tmp_path / "memos" / "ab" / "ab12"
    path.write_text(path.read_text()[:-2])
    assert blobs.memo("ab12") is None


def test_scratch_is_gone_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oops"), Blobs(tmp_path).scratch() as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("x")
        (folder / "deep").chmod(0o500)
        raise ValueError("oops")
    assert not folder.exists()


def test_leftovers_of_killed_processes_are_swept_and_others_kept(tmp_path: Path) -> None:
    dead = tmp_path / "tmp" / "999999999-abc"
    mine = tmp_path / "tmp" / f"{os.getpid()}-abc"
    dead.mkdir(parents=True)
    mine.mkdir(parents=True)
    Blobs(tmp_path).sweep()
    assert (dead.exists(), mine.exists()) == (False, True)


def test_what_is_being_written_lies_in_the_state_folder_and_not_beside(tmp_path: Path) -> None:
    tmp = tmp_path / ".aac" / "tmp"
    (tmp_path / ".aac" / "plans").mkdir(parents=True)
    write_atomically(tmp_path / "agent.lock", b"1", tmp)
    tmp.rmdir()
    write_atomically(tmp_path / ".aac/plans/x", b"2")
    assert ((tmp_path / "agent.lock").read_bytes(), (tmp_path / ".aac/plans/x").read_bytes()) == (b"1", b"2")
    assert [list(tmp.iterdir()), [p.name for p in (tmp_path / ".aac/plans").iterdir()]] == [[], ["x"]]


def test_a_failed_write_leaves_the_old_text_and_no_temporary_name(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(StepError, match="can't be written"):
        write_atomically(tmp_path / "x", b"1", tmp_path / "tmp")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_file_that_goes_while_it_is_stored_is_told_by_its_own_name_and_nothing_is_left(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "cache")
    with pytest.raises(StepError, match="gone can't be read: No such file"):
        blobs.put(pieces(tmp_path / "gone"), media_type="text/plain")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_first_write_onto_another_disk_is_whole_though_there_is_no_folder_for_what_is_still_written(tmp_path: Path) -> None:
    other = Path("/dev/shm")  # a disk of its own wherever there is Linux
    need(other.is_dir() and other.stat().st_dev != tmp_path.stat().st_dev, "there is no second disk")
    with tempfile.TemporaryDirectory(dir=other) as there:
        write_atomically(Path(there, "agent.lock"), b"1", tmp_path / "tmp")
        assert [(path.name, path.read_bytes()) for path in Path(there).iterdir()] == [("agent.lock", b"1")]
    assert list((tmp_path / "tmp").iterdir()) == []
