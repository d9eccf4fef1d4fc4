"""Somebody at a terminal."""

from __future__ import annotations

import os
import pty
import time
from collections.abc import Mapping
from pathlib import Path

ASKS = ("name?", "yes")


def typed(
    argv: list[str], folder: Path, env: Mapping[str, str], text: str, when: tuple[str, ...] = ASKS
) -> tuple[str, int]:
    """What a command shows on a terminal of its own, where ``text`` is typed once one of ``when`` is shown; its exit code."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe(argv[0], argv, dict(env))  # noqa: S606  # no shell, as a shell would start it
    heard, sent, end = b"", False, time.monotonic() + 60
    while time.monotonic() < end:
        if not sent and any(word.encode() in heard for word in when):
            os.write(master, text.encode())
            sent = True
        try:
            heard += os.read(master, 4096)
        except OSError:
            break
    _, status = os.waitpid(child, 0)
    return heard.decode(errors="replace"), os.waitstatus_to_exitcode(status)
