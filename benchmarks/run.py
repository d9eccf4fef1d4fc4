"""Prepare, measure interleaved, print the table; ``--write`` puts it into docs/performance.md.

python -m benchmarks            about three minutes
python -m benchmarks --quick    a small set of everything, to see that it works
python -m benchmarks --packagers  beside ko, jib, bentoml and go-task: about fifteen minutes, the most of it compiling
python -m benchmarks --engine   beside `docker build`, podman and langgraph, in an engine of its own (root): about ten minutes
python -m benchmarks --edits    an edited line until it is served, in each language, beside `docker build` (root): ten minutes
python -m benchmarks --sizes    what images weigh, beside ko's, jib's, bentoml's and usual Dockerfiles' (root): about ten minutes
python -m benchmarks --scale    a workspace of a thousand agents, built for real: about ten minutes
python -m benchmarks --growth   how cost grows from 1 to 10,000 agents: about twenty minutes
python -m benchmarks --dask     2,000 short steps on four Dask workers of this machine: about five minutes
python -m benchmarks --cache    a fresh clone of 100 agents with a warm cache in a registry: about five minutes
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):  # `python benchmarks/run.py`
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.growth import PLOT, grow, growth_table, plot
from benchmarks.lab import QUICK, Lab, Size, prepare
from benchmarks.many import many
from benchmarks.rows import NO_OP, PASS, PEAK_BIG, PEAK_MB, PEAK_WIDE, peak, rows
from benchmarks.scale import COMPILE_MB, COMPILE_SECONDS, cold_lines, compile_cold, crowded_rows, scale_rows
from benchmarks.table import measure, peak_line, table, verdicts, where, write

TABLE, ENGINE_TABLE, PACKAGERS_TABLE = "table", "engine table", "packagers table"
SIZES_TABLE, EDITS_TABLE = "sizes table", "edits table"
SCALE_TABLE, GROWTH_TABLE, CACHE_TABLE, DASK_TABLE = "scale table", "growth table", "cache table", "dask table"
AGENTS = {True: 5, False: 100}
"""How many a fresh clone has, by whether it is to be quick."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every goal was met or ``--quick`` was asked, 1 when one was not."""
    args = _arguments(argv)
    own = args.edits or args.sizes or args.scale or args.growth or args.cache or args.dask  # these have their own
    light = args.quick or own
    size = replace(QUICK if light else Size(), runs=args.runs or (QUICK.runs if args.quick else 9 if light else Size().runs))
    with tempfile.TemporaryDirectory(prefix="aac-benchmarks-") as top:
        print("preparing: wheel, venv, projects …", file=sys.stderr)
        lab = prepare(Path(top), size)
        if args.engine:
            return beside_an_engine(Path(top), lab, args.write)
        if args.edits:
            return edited(Path(top), lab, args.write)
        if args.packagers:
            return beside_packagers(Path(top), lab, args.write)
        if args.sizes:
            return weighed(Path(top), lab, args.write)
        if args.scale:
            return at_scale(Path(top), lab, args.agents or 1000, args.write)
        if args.growth:
            return growing(Path(top), lab, args.agents or 10_000, args.write)
        if args.dask:
            return on_a_cluster(Path(top), lab, args.write)
        if args.cache:
            return fresh_clones(Path(top), lab, AGENTS[args.quick], args.write)
        return one_agent(lab, args)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, two runs of each")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--engine", action="store_true", help="beside `docker build` in an engine")
    parser.add_argument("--edits", action="store_true", help="an edited line until it is served, in every language")
    parser.add_argument("--packagers", action="store_true", help="beside ko, jib, bentoml and go-task")
    parser.add_argument("--sizes", action="store_true", help="what images weigh, beside others'")
    parser.add_argument("--cache", action="store_true", help="a fresh clone with a warm cache in a registry")
    parser.add_argument("--dask", action="store_true", help="many short steps on a Dask cluster")
    parser.add_argument("--scale", action="store_true", help="many agents in one workspace")
    parser.add_argument("--growth", action="store_true", help="how cost grows with the number of agents")
    parser.add_argument("--agents", type=int, default=0, help="how many (default 1000), or up to how many (default 10000)")
    parser.add_argument("--runs", type=int, default=0, help="how often each thing is measured")
    return parser.parse_args(argv)


def one_agent(lab: Lab, args: argparse.Namespace) -> int:
    """0 when every goal of a single agent was met."""
    size = lab.size
    measured = rows(lab)
    measure(measured, size.runs)
    peaks = {
        f"{PEAK_BIG} ({size.file_mb} MB)": peak(lab, lab.big),
        f"{PEAK_WIDE} ({size.files} of 0.1 MB)": peak(lab, lab.wide),
    }
    memory = [peak_line(name, one) for name, one in peaks.items()]
    lines = [*table(measured), *memory, "", where(lab, f"dependencies {' '.join(lab.size.dependencies)}")]
    print("\n".join(lines))
    if args.write:
        write(lines, TABLE)
    met = [*verdicts(measured), *(one.ours <= PEAK_MB for one in peaks.values())]
    return 0 if args.quick or all(one is not False for one in met) else 1


def beside_an_engine(top: Path, lab: Lab, written: bool) -> int:
    """0 when every goal beside the engine was met."""
    from benchmarks.engine_peers import LANGGRAPH, engine_peers
    from benchmarks.engines import DEPENDENCIES, engine_rows, sizes, yard  # lazy: both need pytest and root

    with yard(top, lab) as made, engine_peers(made, top) as peers:
        common = [row for row in rows(lab) if row.name in (PASS, NO_OP)]
        measured = [*common, *engine_rows(made), *peers.rows()]
        measure(measured, lab.size.runs)
        told = [f"* {what}: {megabytes:.1f} MB" for what, megabytes in sizes(made)]
        version = made.engine.docker("version", "-f", "{{.Server.Version}}").ok().stdout.strip()
        peer = f"{peers.version}, {LANGGRAPH}"
    note = where(lab, f"Docker {version}, overlay2, {peer}; dependencies {' '.join(DEPENDENCIES)}")
    lines = [*table(measured), "", "Sizes in the engine, unpacked:", "", *told, "", note]
    print("\n".join(lines))
    if written:
        write(lines, ENGINE_TABLE)
    return 0 if all(one is not False for one in verdicts(measured)) else 1


def edited(top: Path, lab: Lab, written: bool) -> int:
    """0 when an edit was served fast enough in every language."""
    from benchmarks.edits import benches  # lazy: needs pytest, root, mmdebstrap, and everybody's tools

    with benches(top, lab) as (made, engine):
        measured = [row for bench in made for row in bench.rows()]
        measure(measured, lab.size.runs)
        version = engine.docker("version", "-f", "{{.Server.Version}}").ok().stdout.strip()
    lines = [*table(measured), "", where(lab, f"Docker {version}, overlay2")]
    print("\n".join(lines))
    if written:
        write(lines, EDITS_TABLE)
    return 0 if all(one is not False for one in verdicts(measured)) else 1


def beside_packagers(top: Path, lab: Lab, written: bool) -> int:
    """0 when every goal beside the packagers of other languages was met."""
    from benchmarks.packagers import COLD_RUNS, packagers  # lazy: needs pytest, skopeo, docker-registry, go and mvn

    with packagers(top, lab) as made:
        known = [row for row in rows(lab) if row.name in (PASS, NO_OP)]
        measured = [*known, made.task_row(), *(row for pair in made.pairs for row in pair.rows(made.agent))]
        cold = [row for pair in made.pairs for row in pair.cold_rows(made.agent)]
        measure(measured, lab.size.runs)
        measure(cold, min(COLD_RUNS, lab.size.runs))
        note = where(lab, f"where something is compiled from nothing {COLD_RUNS}; {made.versions}")
    lines = [*table([*measured, *cold]), "", note]
    print("\n".join(lines))
    if written:
        write(lines, PACKAGERS_TABLE)
    return 0 if all(one is not False for one in verdicts([*measured, *cold])) else 1


def weighed(top: Path, lab: Lab, written: bool) -> int:
    """Sizes of images, runtime by runtime; no goals."""
    from benchmarks.sizes import HEAD, scales  # lazy: needs pytest, root, mmdebstrap, skopeo, docker-registry, go and mvn

    with scales(top, lab) as pairs:
        told = []
        for pair in pairs:
            told.append(str(pair))
            print(told[-1], file=sys.stderr)
        lines = [*HEAD, *sorted(told)]
    print("\n".join(lines))
    if written:
        write(lines, SIZES_TABLE)
    return 0


def at_scale(top: Path, lab: Lab, agents: int, written: bool) -> int:
    """0 when every goal of a large workspace was met."""
    made = many(top, lab, agents)
    measured = scale_rows(made)
    measure(measured, lab.size.runs)
    cold = compile_cold(lab, made.place, agents)
    crowded = crowded_rows(made)
    measure(crowded, lab.size.runs)
    files = 20 * agents
    note = where(lab, f"{agents} agents, {files} files; one build of all, for real, took {made.built_seconds:.0f} s with `-n 2`")
    lines = [*table([*measured, *crowded]), *cold_lines(cold, agents), "", note]
    print("\n".join(lines))
    if written:
        write(lines, SCALE_TABLE)
    goals = [*verdicts(measured), cold.seconds <= COMPILE_SECONDS, cold.megabytes <= COMPILE_MB]
    return 0 if all(one is not False for one in goals) else 1


def growing(top: Path, lab: Lab, most: int, written: bool) -> int:
    """Measure 1, 10, 100 … agents; no goals."""
    points = list(grow(top, lab, most))
    picture = f"![time by number of agents]({PLOT.name})"
    lines = [*growth_table(points), "", picture, "", where(lab, "4 files an agent")]
    print("\n".join(lines))
    if written:
        PLOT.write_text(plot(points), encoding="utf-8")
        write(lines, GROWTH_TABLE)
    return 0


def fresh_clones(top: Path, lab: Lab, agents: int, written: bool) -> int:
    """0 when a fresh clone took and asked as little as was promised."""
    from benchmarks.shared_cache import cache_row, warm  # lazy: needs pytest and a registry

    with warm(top, lab, agents) as made:
        measured = [*(row for row in rows(lab) if row.name == PASS), cache_row(made)]
        measure(measured, lab.size.runs)
        counted = made.counted()
    lines = [*table(measured), "", f"{counted}.", "", where(lab, "docker-registry of Debian on loopback")]
    print("\n".join(lines))
    if written:
        write(lines, CACHE_TABLE)
    return 0 if counted.met and all(one is not False for one in verdicts(measured)) else 1


def on_a_cluster(top: Path, lab: Lab, written: bool) -> int:
    """0 when enough of the ideal was left."""
    from benchmarks.cluster import naps  # lazy: needs pytest

    with naps(top, lab) as made:
        measured = made.rows()
        measure(measured, lab.size.runs)
        told, met = made.said(measured)
    lines = [*table(measured), "", *told, "", where(lab, "scheduler, workers and doit share the CPUs")]
    print("\n".join(lines))
    if written:
        write(lines, DASK_TABLE)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
