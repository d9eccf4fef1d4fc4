"""Every folder of tests/faults/spec is one fault; expected.txt is what is said. UPDATE_GOLDEN=1 rewrites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aac_tasks.errors import SpecError
from aac_tasks.spec import read_spec

FAULTS = Path(__file__).parents[1] / "faults" / "spec"


@pytest.mark.parametrize("name", sorted(p.name for p in FAULTS.iterdir()))
def test_a_faulty_file_is_refused_with_the_message_that_helps(name: str) -> None:
    data = (FAULTS / name / "agent.yaml").read_bytes()
    with pytest.raises(SpecError) as caught:
        read_spec(data, file="agent.yaml")
    golden = FAULTS / name / "expected.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(f"{caught.value}\n", encoding="utf-8")
    assert f"{caught.value}\n" == golden.read_text(encoding="utf-8")


def test_no_fault_lacks_its_golden_message() -> None:
    assert [p.name for p in FAULTS.iterdir() if not (p / "expected.txt").is_file()] == []


def test_a_huge_file_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(SpecError, match=r"1\.5 MiB is too much for an agent\.yaml"):
        read_spec(b"a: " + b"x" * (3 * 512 * 1024), file="agent.yaml")


def test_a_key_written_out_is_never_shown() -> None:
    data = (FAULTS / "api-key-written-out" / "agent.yaml").read_bytes()
    with pytest.raises(SpecError) as caught:
        read_spec(data, file="agent.yaml")
    assert "sk-not-a-real-key" not in str(caught.value)
