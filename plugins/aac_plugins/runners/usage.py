"""What processes without an engine use. Source: proc(5), /proc/PID/stat, fields 14, 15 (clock ticks) and 24 (pages)."""

from __future__ import annotations

import os
from pathlib import Path

from aac_plugins.runners.records import PROC, children
from aac_tasks.contracts.running import Usage


def usage_of(pid: int) -> Usage | None:
    """Of a process and everything below it; None when it is gone."""
    found = [row for one in _tree(pid) if (row := _row(PROC / str(one)))]
    if not found:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = sum(int(row[11]) + int(row[12]) for row in found) / ticks
    memory = sum(int(row[21]) for row in found) * os.sysconf("SC_PAGE_SIZE")
    return Usage(seconds, memory, len(found))


def _tree(pid: int) -> list[int]:
    return [pid, *(below for child in children(pid) for below in _tree(child))]


def _row(process: Path) -> list[str]:
    """The fields from the third on: the second, a name, may hold anything."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
