"""Compiled plans, each kept until a file changes that it was made from, and all until our code or a plugin does."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path

from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.plan import AgentPlan
from aac_tasks.errors import StepError
from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import read_sealed, seal
from aac_tasks.state.watch import code_files, holds, observe

FORMAT = 2
CODE = "code-"
"""Before the name of a file that lists code; plans say which one they rest on."""

KEPT = 16
"""Lists of code that are kept: commands load different modules, interpreters have different folders."""


class PlanCache:
    """The folder of one workspace. ``code`` collects the identity of all code that plans of this run rest on."""

    def __init__(self, folder: Path, started_ns: int) -> None:
        self._folder = folder
        self._started = started_ns
        self._holds: dict[str, bool] = {}
        self._modules = 0
        self._present = ""
        self.code: dict[str, str] = {}

    def load(self, name: str) -> tuple[dict[str, str], AgentPlan] | None:
        """What it was made from, and the plan; None when there is none, or something changed."""
        try:
            kept = read_sealed(self._folder / name)
            if isinstance(kept, dict) and kept.get("format") == FORMAT and self._code_holds(kept["code"]) and holds(kept["seen"]):
                return kept["seen"], decode(AgentPlan, kept["plan"])
        except (OSError, ValueError, KeyError):
            return None
        return None

    def save(self, name: str, seen: Mapping[str, str], plan: AgentPlan) -> bool:
        """Keep a plan; False when our code was touched while it was running, so that nothing may be concluded from it."""
        code = self._present_code()
        if code:
            self._write(name, {"format": FORMAT, "code": code, "seen": dict(seen), "plan": plan})
        return bool(code)

    def _write(self, name: str, value: Mapping[str, object]) -> None:
        with contextlib.suppress(OSError, StepError):  # what can't be kept is compiled again; steps tell of the disk
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / name, seal(value))

    def _code_holds(self, name: str) -> bool:
        """Looked at once a run."""
        if name not in self._holds:
            listed = _listed(self._folder / name)
            self._holds[name] = holds(listed)
            self.code.update(listed)
        return self._holds[name]

    def _present_code(self) -> str:
        """The list of all code that is loaded now, "" when some of it may not be what was loaded."""
        if self._modules != len(sys.modules):
            self._modules = len(sys.modules)
            seen = observe(code_files(), self._started)
            self._present = "" if seen is None else f"{CODE}{fingerprint(dict(seen))[:32]}"
            if seen is not None and self._present not in self._holds:
                self._write(self._present, dict(seen))
                self._forget()
                self._holds[self._present] = True
                self.code.update(seen)
        return self._present

    def _forget(self) -> None:
        """Remove lists of code that is another by now, and the oldest: plans that rest on them are compiled again."""
        with contextlib.suppress(OSError):  # another run removes them too
            lists = sorted(self._folder.glob(f"{CODE}*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
            for path in (path for place, path in enumerate(lists) if place >= KEPT or not _still_holds(path)):
                path.unlink(missing_ok=True)


def _listed(path: Path) -> dict[str, str]:
    """A list of code; OSError where there is none, ValueError where it is torn."""
    listed = read_sealed(path)
    if not isinstance(listed, dict):
        raise ValueError(f"{path} holds no list")
    return listed


def _still_holds(path: Path) -> bool:
    try:
        return holds(_listed(path))
    except (OSError, ValueError):
        return False
