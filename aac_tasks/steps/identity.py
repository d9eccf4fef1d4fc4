"""Which process is this? Pids are reused, so a process is known by pid, start time and boot.

Source: proc(5), /proc/PID/stat fields 3 (state), 5 (group), 6 (session)
and 22 (start time in clock ticks since boot).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessStat:
    """One row of the process table. ``state`` is proc(5)'s letter; Z and X are dead."""

    pid: int
    state: str
    group: int
    session: int
    start_time: str

    @property
    def dead(self) -> bool:
        """A zombie, or on its way out."""
        return self.state in "ZXx"


def has_proc() -> bool:
    """Whether this system has a Linux /proc."""
    return (PROC / "self" / "stat").exists()


def boot_id() -> str:
    """The kernel's id of this boot; empty where there is none."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def stat_of(pid: int) -> ProcessStat | None:
    """The row of ``pid``; None when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessStat(pid, fields[0], int(fields[2]), int(fields[3]), fields[19])


def session_members(session: int) -> Iterator[ProcessStat]:
    """Every living process of a session."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            row = stat_of(int(entry.name))
            if row is not None and row.session == session and not row.dead:
                yield row
