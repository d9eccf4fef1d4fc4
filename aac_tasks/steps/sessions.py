"""End a session: a leader and whatever it started, process groups of their own included."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable

from aac_tasks.steps import identity


def signal_session(session: int, number: int) -> None:
    """Send to each process group of the session once."""
    groups = {session}
    if identity.has_proc():
        groups = {member.group for member in identity.session_members(session)}
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def wait_for_end(session: int, leader_gone: Callable[[], bool], seconds: float) -> bool:
    """Whether the leader and all members were gone within ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # Members first: once the leader is reaped and nobody is left, the number may be somebody else's.
        if not has_members(session) and leader_gone():
            return True
        time.sleep(0.01)
    return False


def has_members(session: int) -> bool:
    """Whether anybody but zombies is left."""
    if identity.has_proc():
        return any(True for _ in identity.session_members(session))
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS answers so for a group of zombies
        return False
    return True


def die_with_parent() -> Callable[[], None] | None:
    """What a child does before exec so that SIGKILL of this process ends it too (Linux prctl(2))."""
    if sys.platform != "linux":
        return None
    import ctypes  # lazy: only runs that start something pay for it

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()
    set_death_signal, number = 1, int(signal.SIGKILL)

    def ask() -> None:
        prctl(set_death_signal, number, 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return ask
