"""What is remembered of the catalog is the catalog, in its order."""

from __future__ import annotations

import time
from pathlib import Path

from aac_tasks.plugin_manager import BUILT_INS, load
from aac_tasks.state.catalog_cache import CatalogCache, Known


def test_runners_are_recalled_best_first(tmp_path: Path) -> None:
    """Sorted by name, `host` (no isolation) would be taken before `runc` wherever it is allowed."""
    time.sleep(0.05)  # what was touched just now is not remembered
    cache = CatalogCache(tmp_path)
    loaded = load().catalog
    cache.write(Known(loaded, listens=False), BUILT_INS)
    recalled = cache.read()
    assert recalled is not None
    assert list(recalled.catalog.runners.entries) == list(loaded.runners.entries)
    assert list(recalled.catalog.runners.entries)[-1] == "host"
