"""Local results of steps: each is for one key, wherever its file lies."""

from __future__ import annotations

from pathlib import Path

from aac_tasks.contracts.result import Result
from aac_tasks.state.action_cache import ActionCache
from aac_tasks.state.cleaning import verify

ONE, OTHER = "1" * 64, "2" * 64


def test_an_entry_under_another_key_is_nobodys(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    for deep in (ONE, OTHER):
        cache.put(deep, Result(outputs={"of": deep}))
    assert cache.get(ONE) == Result(outputs={"of": ONE})
    one, other = (tmp_path / "actions" / deep[:2] / deep for deep in (ONE, OTHER))
    other.write_bytes(one.read_bytes())
    assert cache.get(OTHER) is None
    assert [result.outputs["of"] for result in cache.results()] == [ONE]
    assert verify(tmp_path).damaged == {f"actions/{OTHER[:2]}/{OTHER}": "it belongs to another key"}
    assert not other.exists()
    assert cache.get(ONE) is not None
