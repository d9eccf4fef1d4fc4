"""What was measured, as a table in Markdown and in docs/performance.md."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Iterator, Sequence

from benchmarks.lab import ROOT, Lab
from benchmarks.rows import PEAK_MB, Peak, Row

PAGE = ROOT / "docs" / "performance.md"


def measure(measured: Sequence[Row], runs: int) -> None:
    """Every work once, then again: what else the machine does meets all of them alike."""
    for row in measured:
        row.run()  # warm: the first run reads from the disk
    for number in range(runs):
        print(f"\rrun {number + 1} of {runs}", end="", file=sys.stderr, flush=True)
        for row in measured:
            if number < row.most:
                row.series.samples.append(row.run())
    print(file=sys.stderr)


def table(measured: Sequence[Row]) -> Iterator[str]:
    """The table in Markdown."""
    yield "| work | median ms | fastest ms | CPU ms | beside | goal | met |"
    yield "|---|--:|--:|--:|---|---|---|"
    by_name = {row.name: row for row in measured}
    for row in measured:
        other = by_name.get(row.beside)
        beside, goal = _beside(row, other), _goal(row)
        yield (
            f"| {row.name} | {row.series.median:.1f} | {row.series.fastest:.1f} | {row.series.cpu:.1f} "
            f"| {beside} | {goal} | {_word(_met(row, other))} |"
        )


def peak_line(name: str, memory: Peak) -> str:
    ours = f"{memory.ours:.0f} MB, children up to {memory.children:.0f} MB"
    return f"| {name} | | | | {ours} | ≤ {PEAK_MB:.0f} MB | {_word(memory.ours <= PEAK_MB)} |"


def where(lab: Lab, more: str) -> str:
    """When and where it was measured."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    load = os.getloadavg()[0]
    return (
        f"{today}, {os.cpu_count()} CPUs, load average {load:.1f}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; {lab.size.runs} interleaved runs of each; {more}."
    )


def _beside(row: Row, other: Row | None) -> str:
    if other is None:
        return ""
    if row.more:
        return f"+{row.series.median - other.series.median:.0f} ms on {other.name}"
    return f"{row.of(other):.2f} × {other.name}{' (CPU)' if row.cpu else ''}"


def _goal(row: Row) -> str:
    if row.limit:
        return f"≤ {row.limit:.0f} ms"
    return f"≤ {row.factor:.3g} ×" if row.factor else f"≤ +{row.more:.0f} ms" if row.more else ""


def _met(row: Row, other: Row | None) -> bool | None:
    if row.limit:
        return row.series.median <= row.limit
    if other is None or not (row.factor or row.more):
        return None
    return row.of(other) <= row.factor if row.factor else row.series.median <= other.series.median + row.more


def verdicts(measured: Sequence[Row]) -> list[bool | None]:
    by_name = {row.name: row for row in measured}
    return [_met(row, by_name.get(row.beside)) for row in measured]


def _word(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "no"


def write(lines: Sequence[str], name: str) -> None:
    """Put the lines between the page's markers of that name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    tail = rest.partition(end)[2]
    text = "\n".join(lines)
    PAGE.write_text(f"{head}{begin}\n{text}\n\n{end}{tail}", encoding="utf-8")
