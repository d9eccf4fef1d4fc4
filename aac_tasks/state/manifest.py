"""The manifest of one command line: every file its outcome rests on, so that ``fast.py`` can answer with stats alone.

It is written only when the whole run succeeded and every input is older than the run's first look at anything: an
edit during the run must not be taken for what was built.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.errors import StepError
from aac_tasks.fast import HEAD, IN_ENGINE, identity_line, manifest_name
from aac_tasks.state.digests import RACY_NS
from aac_tasks.state.root import StateFolder, write_atomically
from aac_tasks.state.watch import ABSENT, PRESENT, describe


@dataclass(frozen=True)
class Evidence:
    """What a successful run looked at and left.

    ``inputs`` maps a path to its identity as it was *when it was read*; ``outputs`` are files of ours.
    ``images`` are (socket, name, id) of images in container engines. ``started_ns`` is the time before the run's first
    look. ``said`` is printed next time; ``steps`` is for doit's door.
    """

    inputs: Mapping[str, str]
    outputs: tuple[Path, ...]
    started_ns: int
    said: str
    steps: str = ""
    images: tuple[tuple[str, str, str], ...] = ()


def write_manifest(state: StateFolder, arguments: list[str], evidence: Evidence) -> bool:
    """Write it when it can be trusted; whether it was written."""
    name = manifest_name(arguments)
    if not name:
        return False
    path = state.path / "manifest" / name
    with contextlib.suppress(OSError):
        path.unlink()
    if any(_is_younger(ident, evidence.started_ns) for ident in evidence.inputs.values()):
        return False
    lines = [f"{p}\0{i}" for p, i in evidence.inputs.items()]
    lines += list(_described(p for p in evidence.outputs if str(p) not in evidence.inputs))
    lines += [f"{socket}\0{IN_ENGINE}{name} {image}" for socket, name, image in evidence.images]
    if any("\n" in line for line in lines):
        return False
    said = evidence.said.replace("\n", "\x1e")
    text = "\n".join([HEAD, identity_line().replace("\n", " "), said, evidence.steps, *lines, "end"])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode("utf-8", "surrogateescape"))
    except (OSError, StepError):  # no room, or no leave to write: the next run looks for itself
        return False
    return True


def _is_younger(ident: str, started_ns: int) -> bool:
    """A file touched since shortly before the run began could have been touched after it was read."""
    if ident in (ABSENT, PRESENT):
        return False
    mtime, ctime, _, _ = ident.split(":")
    return max(int(mtime), int(ctime)) > started_ns - RACY_NS


def _described(paths: Iterable[Path]) -> Iterable[str]:
    for path in paths:
        try:
            yield f"{path}\0{describe(os.stat(path))}"  # noqa: PTH116
        except OSError:
            yield f"{path}\0{ABSENT}"
