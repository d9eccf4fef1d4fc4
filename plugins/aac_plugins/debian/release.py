"""Release files: what an archive says about itself, and the words of one reading of it.

Source: https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from aac_tasks.errors import StepError


@dataclass(frozen=True)
class Listed:
    """One file that a Release file vouches for: SHA-256 in hexadecimal, size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Release:
    """The part of a Release file that is used here.

    ``date`` and ``valid_until`` are aware datetimes in UTC; ``valid_until`` is None where the archive names
    no end (Debian's stable suite does not). ``files`` maps a path below ``dists/SUITE/`` to its hash.
    """

    suite: str
    codename: str
    date: datetime
    valid_until: datetime | None
    by_hash: bool
    files: dict[str, Listed]

    def answers(self, name: str) -> bool:
        """Whether this is the suite that was asked for, so that no other signed one can stand in for it."""
        return name in (self.suite, self.codename)


def parse_release(text: str, where: str) -> Release:
    """Read the text of a Release file; StepError naming ``where`` when it is none."""
    fields: dict[str, str] = {}
    files: dict[str, Listed] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith(" "):
            if section == "SHA256":
                sha256, size, path = _listed(line, where)
                files[path] = Listed(sha256, size)
            continue
        section, _, value = line.partition(":")
        fields[section] = value.strip()
    if "Date" not in fields or not files:
        raise StepError(f"{where}: not a Release file; expected the fields Date and SHA256")
    until = fields.get("Valid-Until", "")
    return Release(
        suite=fields.get("Suite", ""),
        codename=fields.get("Codename", ""),
        date=_moment(fields["Date"], where),
        valid_until=_moment(until, where) if until else None,
        by_hash=fields.get("Acquire-By-Hash", "") == "yes",
        files=files,
    )


def _listed(line: str, where: str) -> tuple[str, int, str]:
    parts = line.split()
    if len(parts) != 3 or not parts[1].isdigit():
        raise StepError(f"{where}: can't read the line {line!r}; expected a SHA-256, a size and a path")
    return parts[0].lower(), int(parts[1]), parts[2]


def _moment(text: str, where: str) -> datetime:
    """RFC 1123 dates, which Debian writes with ``UTC``: that word is "unknown zone" to the mail parser."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError) as error:
        raise StepError(f"{where}: can't read the date {text!r}") from error
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
