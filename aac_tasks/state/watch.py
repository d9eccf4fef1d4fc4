"""What a saved conclusion rests on: files (and absences) by identity, cheap to check again with one stat each."""

from __future__ import annotations

import os
import stat as st
import sys
from collections.abc import Iterable
from pathlib import Path

from aac_tasks.state.digests import identity, is_racy

ABSENT = "-"
PRESENT = "+"
"""A file of which only its being there matters."""


def observe(paths: Iterable[Path | str], started_ns: int) -> dict[str, str] | None:
    """Path → identity text; None when one of them was touched since shortly before ``started_ns``.

    ``started_ns`` is the time before the first of them was read: what is older was not touched since.
    """
    seen: dict[str, str] = {}
    for path in paths:
        try:
            stat = os.stat(path)  # noqa: PTH116  # thousands of these
        except OSError:
            seen[str(path)] = ABSENT
            continue
        if is_racy(stat, started_ns):
            return None
        seen[str(path)] = describe(stat)
    return seen


def describe(stat: os.stat_result) -> str:
    """The identity as text, equal in ``fast.py``."""
    return "{}:{}:{}:{}".format(*identity(stat))


def holds(seen: dict[str, str]) -> bool:
    """Whether everything is still as it was."""
    for path, ident in seen.items():
        try:
            found = os.stat(path)  # noqa: PTH116
            if describe(found) != ident and not (ident == PRESENT and st.S_ISREG(found.st_mode)):
                return False
        except OSError:
            if ident != ABSENT:
                return False
    return True


def code_files() -> list[Path]:
    """What decides how we plan: the folders that packages are installed in, and our and plugins' loaded modules."""
    prefixes = ("aac_tasks", "aac_plugins")
    folders = [Path(p) for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
    modules = [
        m.__file__ for n, m in list(sys.modules.items()) if n.startswith(prefixes) and getattr(m, "__file__", None)
    ]
    return [*folders, *(Path(f) for f in sorted(set(filter(None, modules))))]
