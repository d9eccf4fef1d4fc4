"""Steps that `doit ignore` was said of, and why others are not run because of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from aac_tasks.contracts.plan import Step

DB_NAME = "doit.json"
"""What doit keeps, below the state folder."""


def named(state: Path) -> frozenset[str]:
    """Tasks that are to be ignored; a file that is torn is as good as none."""
    try:
        known = json.loads((state / DB_NAME).read_bytes())
    except (OSError, ValueError):
        return frozenset()
    return frozenset(name for name, values in known.items() if "ignore:" in values) if isinstance(known, dict) else frozenset()


def told(step: str, because: str = "") -> str:
    """Why a step is not run, and what ends that."""
    return f"ignored, because {because} is" if because else f"ignored; `doit forget {step}` ends that"


def passed_over(steps: Iterable[Step], ignored: frozenset[str]) -> dict[str, str]:
    """Of ``steps``, each behind what it needs, those that are not run, and why: doit ignores what needs an ignored one too."""
    found: dict[str, str] = {}
    for step in steps if ignored else ():
        because = next((need for need in step.needs if need in found), "")
        if step.id in ignored or because:
            found[step.id] = told(step.id, "" if step.id in ignored else because)
    return found
