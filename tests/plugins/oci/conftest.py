"""A bench per test; nothing may be left in its scratch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from plugins.oci.oci_bench import Bench, Shop

from aac_tasks.state.blobs import Blobs


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    root = tmp_path / "root"
    root.mkdir()
    shop = Shop(Bench(root, Blobs(tmp_path / "store")), tmp_path)
    yield shop
    left = list((tmp_path / "store" / "tmp").glob("*"))
    assert left == [], f"scratch was left behind: {left}"
