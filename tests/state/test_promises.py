"""Which blobs shared caches have, as this user's runs have seen it."""

from __future__ import annotations

from pathlib import Path

from aac_tasks.contracts.image import Digest
from aac_tasks.state.promises import Promises

ONE, TWO = (Digest(f"sha256:{digit * 64}") for digit in "12")


def lines(cache: Path) -> list[str]:
    return (cache / "shared/promises").read_text().split("\n")


def test_what_one_run_saw_others_know_also_those_that_look_already(tmp_path: Path) -> None:
    mine, yours = Promises(tmp_path), Promises(tmp_path)
    assert yours.of(ONE) is None
    mine.add("ghcr.io/a/b", [(ONE, 3), (TWO, 5)])
    for promises in (mine, yours, Promises(tmp_path)):
        assert promises.of(ONE) == (3, "ghcr.io/a/b")
        assert promises.of(TWO) == (5, "ghcr.io/a/b")
    yours.add("/a folder", [(ONE, 3)])
    assert mine.of(ONE) == (3, "/a folder"), "the last word counts"


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    for _ in range(3):
        Promises(tmp_path).add("ghcr.io/a/b", [(ONE, 3)])
    assert [line for line in lines(tmp_path) if line] == [f"{ONE.hex} 3 ghcr.io/a/b"]


def test_a_blob_that_was_missed_is_promised_no_more_until_it_is_again(tmp_path: Path) -> None:
    promises = Promises(tmp_path)
    promises.add("ghcr.io/a/b", [(ONE, 3)])
    assert not promises.broken(ONE)
    promises.lose(ONE)
    assert promises.of(ONE) is None
    assert Promises(tmp_path).broken(ONE)
    promises.add("ghcr.io/a/b", [(ONE, 3)])
    assert promises.of(ONE) == (3, "ghcr.io/a/b")


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    promises = Promises(tmp_path)
    promises.add("ghcr.io/a/b", [(ONE, 3)])
    with (tmp_path / "shared/promises").open("ab") as file:
        file.write(f"{TWO.hex} 5".encode())
    assert promises.of(TWO) is None
    promises.add("ghcr.io/a/b", [(TWO, 5)])
    assert promises.of(TWO) == (5, "ghcr.io/a/b")
    assert promises.of(ONE) == (3, "ghcr.io/a/b")


def test_after_pruning_nothing_is_promised(tmp_path: Path) -> None:
    promises = Promises(tmp_path)
    promises.add("ghcr.io/a/b", [(ONE, 3)])
    assert promises.of(ONE) is not None
    (tmp_path / "shared/promises").unlink()
    assert promises.of(ONE) is None
