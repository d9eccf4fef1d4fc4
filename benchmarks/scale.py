"""A thousand agents: what nothing costs, what an edit costs, what a cold start costs; beside peers and beside the stats alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import Lab, stat_paths
from benchmarks.many import Many, settle_all
from benchmarks.measure import Place, Sample
from benchmarks.rows import IMPORT_DOIT, PASS, Row, stats_of

NO_OP_MANY = "`agent build`, nothing changed"
NINJA = "peer: `ninja`, the same graph, nothing changed"
LIMIT = "the stat limit: an interpreter that stats the same files and does nothing else"
EDIT_STARTS = "one line of one agent edited: until its step starts"
ONE_JOB, MORE_JOBS = "20 agents edited: `agent build -n 1`", "20 agents edited: `agent build -n auto`"
ONE_TEST, MORE_TESTS = "20 agents edited: `agent test -n 1`", "20 agents edited: `agent test -n auto`"
ONE_SUM, TWO_SUMS = "arithmetic of two interpreters, one after the other", "the limit: arithmetic of two interpreters at once"

COMPILE_SECONDS, COMPILE_MB, JOBS_FACTOR = 3.0, 200.0, 1.8
CHANGED = 20
CROWD = 300
AMONG = f", with {CROWD} more distributions installed"
RARELY = 3
"""How often what takes seconds is measured."""

_STATS = "import os, sys\nfor path in open(sys.argv[1], 'rb').read().split(b'\\n'):\n    os.stat(path)\n"

_SUMS = """
import subprocess, sys
sums = [sys.executable, "-c", "sum(n * n for n in range(4_000_000))"]
if sys.argv[1] == "1":
    subprocess.run(sums, check=True)
    subprocess.run(sums, check=True)
else:
    sys.exit(max(one.wait() for one in [subprocess.Popen(sums), subprocess.Popen(sums)]))
"""

_COMPILE = """
import pathlib, time
started = time.process_time()
from aac_tasks.session import Options, Session
session = Session(Options(cwd=pathlib.Path.cwd()), lambda event: None)
agents = len(session.plan().agents)
peak = next(int(x.split()[1]) for x in open("/proc/self/status") if x.startswith("VmHWM"))
print(agents, peak)
"""


@dataclass(frozen=True)
class Cold:
    """Compiling everything: seconds from the start of the interpreter, and the kernel's peak in MB (10^6 bytes)."""

    seconds: float
    cpu: float
    megabytes: float


def scale_rows(made: Many) -> list[Row]:
    """Every work, in the order of the table."""
    lab, place = made.lab, made.place
    python, agent, doit = lab.python, lab.command("agent"), lab.command("doit")
    listed = made.peers.folder / "paths"
    paths = stat_paths(place)
    listed.write_bytes(b"\n".join(paths))
    sources = [path for path in paths if b"/.aac/" not in path and path.startswith(os.fsencode(place.folder))]
    edits, one, two = edits_of(made), changes(made, "build", "1"), changes(made, "build", "auto")
    few = made.names[:CHANGED]
    tested, tested_at_once = changes(made, "test", "1", *few), changes(made, "test", "auto", *few)
    limit, middle = f"{LIMIT} ({len(paths)})", f"image:{middle_of(made)}"
    rows = [
        Row(PASS, lambda: place.timed(python, "-c", "pass")),
        Row(NINJA, lambda: made.peers.timed(lab.ninja), PASS, cpu=True),
        Row(NO_OP_MANY, lambda: place.timed(agent, "build"), NINJA, factor=1.5, cpu=True),
        Row(limit, lambda: place.timed(python, "-c", _STATS, str(listed)), PASS, cpu=True),
        Row(f"{NO_OP_MANY}, beside the stat limit", lambda: place.timed(agent, "build"), limit, factor=1.3, cpu=True),
        Row(f"a loop of `os.stat` over {len(sources)} files and folders of the agents", lambda: stats_of(sources), NO_OP_MANY),
        Row(IMPORT_DOIT, lambda: place.timed(python, "-c", "import doit")),
        Row("`doit`, nothing changed", lambda: place.timed(doit), IMPORT_DOIT, factor=2.5, cpu=True),
        Row(f"`doit {middle}`, nothing changed", lambda: place.timed(doit, middle), IMPORT_DOIT, factor=2.0, cpu=True),
        Row(EDIT_STARTS, lambda: next(edits), NO_OP_MANY, more=300.0),
        Row(ONE_JOB, lambda: next(one), NO_OP_MANY, most=RARELY),
        Row(MORE_JOBS, lambda: next(two), ONE_JOB, most=RARELY),
        Row(ONE_TEST, lambda: next(tested), ONE_JOB, most=RARELY),
        Row(MORE_TESTS, lambda: next(tested_at_once), ONE_TEST, factor=1 / JOBS_FACTOR, most=RARELY),
        Row(ONE_SUM, lambda: place.timed(python, "-c", _SUMS, "1"), PASS, most=RARELY),
        Row(TWO_SUMS, lambda: place.timed(python, "-c", _SUMS, "2"), ONE_SUM, most=RARELY),
    ]
    for name, argv in made.commands.items():
        if argv != (lab.ninja,):
            rows.append(Row(f"peer: {name}", lambda argv=argv: made.peers.timed(*argv), NINJA, most=RARELY))  # type: ignore[misc]
    return rows if lab.ninja else [row for row in rows if row.name != NINJA]


def crowded_rows(made: Many) -> list[Row]:
    """What starts slower where more is installed; installs it, so it comes last.

    Packages have metadata of a usual length, every third has commands.
    """
    lab, place = made.lab, made.place
    library = Path(lab.still.said(lab.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for number in range(CROWD):
        about = library / f"crowd_{number}-1.0.dist-info"
        about.mkdir()
        head = f"Metadata-Version: 2.1\nName: crowd-{number}\nVersion: 1.0\n\n"
        (about / "METADATA").write_text(head + "What it does, in many words.\n" * 150)
        (about / "RECORD").write_text("".join(f"crowd_{number}/part_{n}.py,sha256={'0' * 43},1000\n" for n in range(50)))
        if number % 3 == 0:
            (about / "entry_points.txt").write_text(f"[console_scripts]\ncrowd-{number} = crowd_{number}:main\n")
    settle_all(made)
    bare, imported = f"{PASS}{AMONG}", f"{IMPORT_DOIT}{AMONG}"
    return [
        Row(bare, lambda: place.timed(lab.python, "-c", "pass")),
        Row(f"{NO_OP_MANY}{AMONG}", lambda: place.timed(lab.command("agent"), "build"), bare, cpu=True),
        Row(imported, lambda: place.timed(lab.python, "-c", "import doit")),
        Row(f"`doit`, nothing changed{AMONG}", lambda: place.timed(lab.command("doit")), imported, cpu=True),
    ]


def middle_of(made: Many) -> str:
    return made.names[len(made.names) // 2]


def edits_of(made: Many) -> Iterator[Sample]:
    """Each time another line in one agent: from the command's start until it says that the step has started."""
    agent, name, place = made.lab.command("agent"), middle_of(made), made.place
    source = made.source(name)
    text = source.read_text()
    while True:
        source.write_text(f"{text}# {time.time_ns()}\n")
        time.sleep(0.1)  # no editor is faster; younger files leave nothing for the next run
        sample = place.timed_until(f"{name}:image | started", agent, "build", "--verbose")
        settle_all(made)
        yield sample


def changes(made: Many, command: str, jobs: str, *agents: str) -> Iterator[Sample]:
    """Each time another line in twenty agents, and a command for all, or for those ``agents``."""
    texts = {made.source(name): made.source(name).read_text() for name in made.names[:CHANGED]}
    while True:
        for source, text in texts.items():
            source.write_text(f"{text}# {time.time_ns()}\n")
        time.sleep(0.1)
        sample = made.place.timed(made.lab.command("agent"), command, "-n", jobs, *agents)
        settle_all(made)
        yield sample


def compile_cold(lab: Lab, place: Place, count: int) -> Cold:
    """Every agent.yaml read, checked and planned, nothing of it known before."""
    for kept in (place.folder / ".aac/plans").iterdir():
        kept.unlink()
    started = time.perf_counter()
    used = os.times()
    agents, peak = place.said(lab.python, "-c", _COMPILE).split()
    seconds, now = time.perf_counter() - started, os.times()
    assert int(agents) == count
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    return Cold(seconds, cpu, int(peak) * 1024 / 1e6)


def cold_lines(cold: Cold, count: int) -> list[str]:
    """Two lines of the table."""
    work = f"cold compile of {count} agent.yaml"
    fast, small = _word(cold.seconds <= COMPILE_SECONDS), _word(cold.megabytes <= COMPILE_MB)
    return [
        f"| {work} | {1000 * cold.seconds:.0f} |  | {1000 * cold.cpu:.0f} |  | ≤ {COMPILE_SECONDS:g} s | {fast} |",
        f"| {work}, peak memory |  |  |  | {cold.megabytes:.0f} MB | ≤ {COMPILE_MB:.0f} MB | {small} |",
    ]


def _word(met: bool) -> str:
    return "yes" if met else "no"
