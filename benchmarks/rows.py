"""What is measured, and what was promised."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.lab import Lab, stat_paths
from benchmarks.measure import Place, Sample, Series

PASS, IMPORT_DOIT, NO_OP = "`python -c pass`", '`python -c "import doit"`', "`agent build`, nothing changed"
EDIT = "`agent build`, one line of one source edited"
PEAK_BIG = "peak memory of `agent build`, large file in the context"
PEAK_WIDE = "peak memory of `agent build`, many files in the context"

AGENT_FACTOR = 1.5
DOIT_FACTOR = 1.2
EDIT_MS = 150.0
PEAK_MB = 100.0


@dataclass(frozen=True)
class Row:
    """One line of the table. ``beside`` names the row that it is compared with; ``factor``, ``more`` (ms) or an absolute
    ``limit`` (ms) is the goal.

    ``most``: do not measure it more often than this. ``cpu``: compare processor time, which others on the machine disturb least.
    """

    name: str
    run: Callable[[], Sample]
    beside: str = ""
    factor: float = 0.0
    more: float = 0.0
    limit: float = 0.0
    most: int = 1000
    cpu: bool = False
    series: Series = field(default_factory=Series)

    def of(self, other: Row) -> float:
        """How many times the other."""
        return self.series.cpu / other.series.cpu if self.cpu else self.series.median / other.series.median


@dataclass(frozen=True)
class Peak:
    """Memory in MB (10^6 bytes) of our own process and of the largest of its children."""

    ours: float
    children: float


def rows(lab: Lab) -> list[Row]:
    """Every work, in the order of the table."""
    python, agent, older, doit = lab.python, lab.command("agent"), lab.older_command(), lab.command("doit")
    paths = stat_paths(lab.still)
    found = [
        Row(PASS, lambda: lab.still.timed(python, "-c", "pass")),
        Row(NO_OP, lambda: lab.still.timed(agent, "build"), PASS, factor=AGENT_FACTOR),
        Row("the same by a script as pip wrote it before 25.2", lambda: lab.still.timed(older, "build"), PASS),
        Row(f"the physical limit: `os.stat` of the same {len(paths)} files", lambda: stats_of(paths), NO_OP),
        Row(IMPORT_DOIT, lambda: lab.still.timed(python, "-c", "import doit")),
        Row("`doit`, nothing changed", lambda: lab.still.timed(doit), IMPORT_DOIT, factor=DOIT_FACTOR),
        Row("peer: `doit` with `file_dep`, five steps", lambda: lab.peers.timed(doit), IMPORT_DOIT),
    ]
    for name, program in (("make", lab.make), ("ninja", lab.ninja)):
        if program:
            found.append(Row(f"peer: `{name}`, five steps", lambda program=program: lab.peers.timed(program), PASS))  # type: ignore[misc]
    edits = _edits(lab.edited, agent)
    found.append(Row(EDIT, lambda: next(edits), NO_OP, more=EDIT_MS))
    return found


def stats_of(paths: list[bytes]) -> Sample:
    """The limit itself: each path looked at."""
    started, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        os.stat(path)  # noqa: PTH116
    return Sample(1000 * (time.perf_counter() - started), 1000 * (time.process_time() - cpu))


def _edits(place: Place, agent: str) -> Iterator[Sample]:
    """Each time another line; the image must be another one, over the very same dependency layer."""
    source = place.folder / "main.py"
    text = source.read_text()
    seen = {_layers(place, agent)}
    while True:
        source.write_text(f"{text}# {time.time_ns()}\n")
        time.sleep(0.05)  # no editor is faster; younger files are hashed again by the next run
        sample = place.timed(agent, "build")
        layers = _layers(place, agent)
        assert layers not in seen, "the edit did not reach the image"
        assert {known[:-1] for known in seen} == {layers[:-1]}, "the edit reached a layer that is not the application's"
        seen.add(layers)
        yield sample


def _layers(place: Place, agent: str) -> tuple[str, ...]:
    import json

    layers = json.loads(place.said(agent, "inspect", "--json"))["layers"]
    return tuple(layer["digest"] for layer in layers)


_PEAK = """
import resource, sys
from aac_tasks.fast import main
sys.argv = ["agent", "build"]
code = main()
own = next(int(x.split()[1]) for x in open("/proc/self/status") if x.startswith("VmHWM"))
print("peak", own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def peak(lab: Lab, place: Place) -> Peak:
    """Build it; both numbers as the kernel kept them."""
    said = place.said(lab.python, "-c", _PEAK).splitlines()[-1].split()
    return Peak(int(said[1]) * 1024 / 1e6, int(said[2]) * 1024 / 1e6)
