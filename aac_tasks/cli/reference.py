"""Print docs/reference/commands.md: ``python -m aac_tasks.cli.reference > docs/reference/commands.md``."""

from __future__ import annotations

import sys

from aac_tasks.cli import commands
from aac_tasks.cli.help import reference


def text() -> str:
    """The page."""
    return reference(commands.groups(), commands.TOP_FLAGS)


if __name__ == "__main__":
    sys.stdout.write(text())
