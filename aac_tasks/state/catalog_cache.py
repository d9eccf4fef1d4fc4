"""Which module brings which runtime, base, builder …: remembered until a package is installed, removed or changed.

Loading every plugin, and asking every installed package for its entry points, takes longer than building a layer. A
run whose plans are all in the cache needs two or three plugins; this says where they are.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.catalog import Catalog, origins, recalled
from aac_tasks.contracts.canonical import JsonObject, fingerprint
from aac_tasks.errors import StepError
from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import read_sealed, seal
from aac_tasks.state.watch import holds, observe

FORMAT = 2


@dataclass(frozen=True)
class Known:
    """What is kept: who brings what, and whether any plugin wants to be told of steps that ended."""

    catalog: Catalog
    listens: bool


class CatalogCache:
    """One file for each set of import folders, since several interpreters may work in one checkout."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / fingerprint([FORMAT, *sys.path])[:32]
        self._started = time.time_ns()

    def read(self) -> Known | None:
        """The catalog, its plugins not imported yet; None when it is not known or may have changed."""
        try:
            kept = read_sealed(self._path)
            if isinstance(kept, dict) and holds(kept["seen"]):
                brought = {role: dict(names) for role, names in kept["origins"].items()}
                return Known(recalled(brought, str(kept["fingerprint"])), bool(kept["listens"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return None

    def write(self, known: Known, built_ins: Sequence[str]) -> None:
        """Remember it, unless a plugin is broken or a stranger's (it may register other things the next time)."""
        catalog = known.catalog
        brought = origins(catalog)
        if catalog.broken or any(o not in built_ins for names in brought.values() for o in names.values()):
            return
        modules = {*built_ins, "aac_tasks.plugin_manager", "aac_tasks.catalog"}
        files = [Path(str(sys.modules[m].__file__)) for m in sorted(modules & set(sys.modules))]
        seen = observe([*(Path(p or ".").absolute() for p in sys.path), *files], self._started)
        if seen is not None:
            # as pairs: their order is "best first", and a sealed mapping is sorted
            pairs: JsonObject = {role: [list(pair) for pair in names.items()] for role, names in brought.items()}
            about: JsonObject = {"origins": pairs, "fingerprint": catalog.fingerprint}
            with contextlib.suppress(OSError, StepError):  # what can't be kept is asked again; steps tell of the disk
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, seal({"seen": dict(seen), "listens": known.listens, **about}))
