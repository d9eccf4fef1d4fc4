"""A run that ends before any of its writes, or in the middle of any: the next one leaves what an undisturbed one leaves."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from real.author import Tree, put
from real.clean_builds import made, torn_blobs
from real.doors import Moment, Place, cut_off, installed, run, signalled

pytestmark = [pytest.mark.real, pytest.mark.slow]

DOOR = ("doit",)
LEFT_OUT = {"before", "manifest", "plans", "plugins", "digests.json"}
WAYS: dict[str, tuple[Callable[[], object], set[int]]] = {
    "killed before it": (signalled(signal.SIGKILL), {-signal.SIGKILL}),
    "killed in the middle of it": (cut_off, {-signal.SIGXFSZ}),
    "terminated before it": (signalled(signal.SIGTERM), {128 + signal.SIGTERM, -signal.SIGTERM}),
}
"""What comes, and the exit codes that it may have: a signal may come before it is heeded."""


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Place]:
    """A user's new project with an empty cache, another one at each call."""
    site = installed(tmp_path, "paper", "real.paper")

    def make() -> Place:
        top = tmp_path / str(next(numbers))
        put(top / "project", Tree())
        return Place(top / "project", top / "cache", site)

    numbers = count()
    return make


def names(place: Place) -> set[str]:
    """Every file that is there, without what says that a step has begun before, and what is kept as the times of files allow."""
    return {path.relative_to(top).as_posix() for top in (place.folder, place.cache) for path in files(top)}


def files(top: Path) -> Iterator[Path]:
    return (path for path in top.rglob("*") if path.is_file() and not {*path.parts} & LEFT_OUT)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_ends_at_any_write_is_finished_by_the_next(
    way: str, fresh: Callable[[], Place], capsys: pytest.CaptureFixture[str]
) -> None:
    what, codes = WAYS[way]
    whole = fresh()
    assert run(whole, DOOR).code == 0
    began: Counter[str] = Counter()
    for operation in count(1):
        place = fresh()
        ended = run(place, DOOR, Moment(operation, what))
        if ended.code == 0:
            break
        assert ended.code in codes, f"{operation}: {ended.said}"
        recovered = run(place, DOOR)
        assert recovered.code == 0, f"{operation}: {recovered.said}"
        assert not ended.of("✓") & recovered.of("✓"), f"{operation}: {recovered.said}"
        assert made(place) == made(whole), operation
        assert names(place) == names(whole), operation
        assert torn_blobs(place) == []
        began[f"behind {len(ended.of('✓–'))} finished steps"] += 1
    with capsys.disabled():
        print(f"\n{way}: {sum(began.values())} of them, {dict(began)}")
    assert len(began) >= 5
