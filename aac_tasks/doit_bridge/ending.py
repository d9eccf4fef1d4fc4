"""How a `doit run` ends when it did not end well. doit itself knows 1 for a failed task and 3 for a traceback; an interrupt,
a refusal and a bug of ours have messages and exit codes of their own, the same as with `agent`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aac_tasks.errors import AacError
from aac_tasks.steps.interrupts import KEPT, install, raise_exit

if TYPE_CHECKING:
    from aac_tasks.reporter import Reporter
    from aac_tasks.session import Session


def heed_signals(session: Session) -> None:
    """SIGINT and SIGTERM cancel the run, from now until the process ends: that is the end of doit too."""
    install(session.cancelled.set, session.kill, raise_exit, session.signals)


def end_badly(session: Session, reporter: Reporter) -> None:
    """Tell what ended the run.

    Raises:
        SystemExit: a signal came (130, 143), a step was refused (3), or a bug of ours came up (2).
    """
    if session.cancelled.is_set():
        reporter.close(abandoned=True)
        sys.stderr.write(f"error: interrupted; {KEPT}\n")
        for number in session.signals[:1]:  # again: cleaning up that was cut short may have raised over it
            raise_exit(number)
    elif session.broken:
        reporter.close()
        raise SystemExit(_code_of(session))


def _code_of(session: Session) -> int:
    """The exit code of what was no StepError; a bug is told here, everything else was told by its step."""
    from aac_tasks.reporter.bugs import EXIT, keep_bug  # lazy: only when there is one

    bugs = [error for error in session.broken if not isinstance(error, AacError)]
    for error in bugs:
        sys.stderr.write(f"error: {keep_bug(session.root, error).text}\n")
    return EXIT if bugs else max(e.exit_code for e in session.broken if isinstance(e, AacError))
