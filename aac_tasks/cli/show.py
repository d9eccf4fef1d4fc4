"""How commands that show something print it: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aac_tasks.cli.world import World
from aac_tasks.contracts.canonical import Json
from aac_tasks.reporter.terminal import paint, wants_colour
from aac_tasks.reporter.wording import plain


def line(world: World, words: str) -> None:
    """One or more lines on stdout, without control characters; BrokenPipeError when nobody reads."""
    text(world, words + "\n")


def text(world: World, words: str) -> None:
    """The same, without a line's end of ours."""
    encoding = world.out.encoding or "utf-8"
    world.out.write(plain(words).encode(encoding, "replace").decode(encoding, "replace"))
    world.out.flush()


def document(world: World, value: Json) -> None:
    """One JSON document."""
    unicode = (world.out.encoding or "utf-8").lower().startswith("utf")
    world.out.write(json.dumps(value, indent=2, ensure_ascii=not unicode) + "\n")
    world.out.flush()


def table(world: World, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the last one is not padded. A cell is one line."""
    head, *rows = [[" ".join(plain(cell).splitlines()) for cell in row] for row in (head, *rows)]
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        line(world, "  ".join(cells).rstrip())


def coloured(world: World, words: str, colour: str) -> None:
    """One line in a colour, where the stream shows colours."""
    encoding = world.out.encoding or "utf-8"
    safe = plain(words).encode(encoding, "replace").decode(encoding, "replace")
    world.out.write(paint(safe, colour, wants_colour(world.out, world.environment)) + "\n")
