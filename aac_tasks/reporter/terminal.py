"""What a stream can show: colours, a live view, or only lines. Reads nothing but what it is given."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TextIO

from aac_tasks.state.saved import REPORT

_COLOURS = {"green": "32", "red": "31", "yellow": "33", "dim": "2", "bold": "1"}


def truthy(value: str | None) -> bool:
    """How CI systems say yes: anything but nothing, ``0``, ``false`` and ``no``."""
    return (value or "").strip().lower() not in ("", "0", "false", "no")


def is_terminal(stream: TextIO) -> bool:
    """True for a terminal; a stream that is closed or no file at all is none."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """https://no-color.org wins over https://force-color.org, which wins over what the stream is."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return truthy(environment["FORCE_COLOR"])
    return is_terminal(stream) and environment.get("TERM") != "dumb"


def wants_live(out: TextIO, err: TextIO, environment: Mapping[str, str]) -> bool:
    """True when both streams are one person's terminal that can move its cursor, and no CI is watching."""
    if truthy(environment.get("CI")) or environment.get("TERM", "dumb") == "dumb":
        return False
    return is_terminal(out) and is_terminal(err)


GITHUB, QUALITY = "GITHUB_ACTIONS", REPORT
"""Variables by which one knows that annotations are read: see `annotations`."""


def wants_annotations(environment: Mapping[str, str]) -> bool:
    """True in a job of GitHub's, and where a code quality report is asked for."""
    return truthy(environment.get(GITHUB)) or bool(environment.get(QUALITY))


def paint(text: str, colour: str, enabled: bool) -> str:
    """``text`` in one of the known colours, or as it is."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if enabled and text else text


class Lines:
    """Writes whole lines at once and flushes; a reader that went away (``| head``) never breaks a build."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._open = True

    def write(self, line: str) -> None:
        """One line; characters that the stream can't encode are replaced."""
        if not self._open:
            return
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        safe = line.encode(encoding, "replace").decode(encoding, "replace")
        try:
            self.stream.write(safe + "\n")
            self.stream.flush()
        except (BrokenPipeError, ValueError):
            self._open = False
            with contextlib.suppress(OSError, ValueError):
                self.stream.close()
