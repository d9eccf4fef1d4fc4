"""Real tools, as a step lends them, for a plugin that is called by hand."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from aac_tasks.state.blobs import Blobs
from aac_tasks.steps.interrupts import Cancellation
from aac_tasks.steps.tools import StepTools, Workshop


@dataclass(frozen=True)
class Lent:
    """A user's machine in one folder: ``tools``, their blob store, what was noted, and the switch that cancels the run."""

    folder: Path
    tools: StepTools
    shop: Workshop
    blobs: Blobs
    notes: list[str]
    cancelled: threading.Event

    def of(self, agent: str) -> StepTools:
        """The tools of another agent of the same workspace."""
        return _tools(self.folder, self.shop, self.notes, agent)


def lend(
    folder: Path, environment: Mapping[str, str] | None = None, *, offline: bool = False, notes: list[str] | None = None
) -> Lent:
    """Tools that keep everything below ``folder``; the state root is ``folder/workspace``.

    ``environment`` is the user's (default: this process's); ``notes`` collects what people are told.
    """
    notes = [] if notes is None else notes
    cancelled = Cancellation()
    blobs = Blobs(folder / "store")
    shop = Workshop(
        tell_output=notes.append,
        blobs=blobs,
        scratch=blobs.scratch,
        cache=folder / "cache",
        environment=dict(os.environ if environment is None else environment),
        cancelled=cancelled,
        resolve_secret=lambda reference: None,
        offline=offline,
    )
    shop.cache.mkdir(parents=True, exist_ok=True)
    return Lent(folder, _tools(folder, shop, notes, "agent"), shop, blobs, notes, cancelled)


def _tools(folder: Path, shop: Workshop, notes: list[str], agent: str) -> StepTools:
    root = folder / "workspace"
    state = root / ".aac" / "agents" / agent
    state.mkdir(parents=True, exist_ok=True)
    return StepTools(shop, root, state, lambda text, done, total: None, notes.append)


class Lending:
    """The base of every suite: a fixture ``lent``."""

    @pytest.fixture
    def lent(self, tmp_path: Path) -> Lent:
        """Tools in a folder of the test's own."""
        return lend(tmp_path / "lent")
