from __future__ import annotations

import pytest

from aac_tasks.contracts.quantities import cores, memory_bytes, seconds


@pytest.mark.parametrize(
    ("text", "value"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1.5s", 1.5), ("0s", 0)]
)
def test_durations_become_seconds(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("512Mi", 512 * 2**20),
        ("1Gi", 2**30),
        ("2GB", 2 * 10**9),
        ("1.5Gi", 3 * 2**29),
        ("10B", 10),
        ("64MiB", 2**26),
    ],
)
def test_memory_becomes_bytes(text: str, value: int) -> None:
    assert memory_bytes(text) == value


@pytest.mark.parametrize(("text", "value"), [("500m", 0.5), ("1", 1), ("0.5", 0.5), (".25", 0.25)])
def test_cpu_becomes_cores(text: str, value: float) -> None:
    assert cores(text) == value


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1 s", "30sec", "30s\n", "1e3s", "٣s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"30s|seconds"):
        seconds(text)


@pytest.mark.parametrize("text", ["", "512", "512m", "2gb", "lots", "-1Gi", "1Gi\n", "1 Gi"])
def test_what_is_no_memory_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"Mi|Gi"):
        memory_bytes(text)


@pytest.mark.parametrize("text", ["", "m", "0.5m", "two", "1\n", "1.", "-1"])
def test_what_is_no_cpu_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="500m"):
        cores(text)
