"""The ear of commands that only look: nothing is said while they do."""

from __future__ import annotations

from aac_tasks.contracts.result import Event


def ignore(event: Event) -> None:
    """Say nothing."""
