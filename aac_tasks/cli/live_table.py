"""A table on a terminal that is drawn anew until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from aac_tasks.reporter.wording import plain

Rows = Callable[[], Sequence[Sequence[str]]]


def live_table(out: TextIO, head: Sequence[str], rows: Rows, pause: Callable[[], None] = lambda: None) -> int:
    """Ask for ``rows``, show them, ``pause``, and again; Ctrl-C is how it ends well."""
    # rich costs 60 ms to import: only who looks at a live view pays for it
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def view(found: Sequence[Sequence[str]]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="")
        for title in head:
            table.add_column(title, overflow="fold")
        for row in found:
            table.add_row(*(Text(plain(cell)) for cell in row))
        return table

    console = Console(file=out, force_terminal=True, highlight=False, markup=False)
    try:
        with Live(view(()), console=console, auto_refresh=False) as live:
            while True:
                live.update(view(rows()), refresh=True)
                pause()
    except KeyboardInterrupt:
        return 0
