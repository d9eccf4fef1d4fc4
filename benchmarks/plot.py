"""Lines over logarithmic axes, as SVG text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, LEFT, RIGHT, GAP, FOOT = 680, 84, 24, 34, 46
INK, GRID = "#333", "#ddd"


@dataclass(frozen=True)
class Line:
    """One value for each place on the axis below."""

    label: str
    colour: str
    values: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """Lines of one unit, ``height`` pixels from the lowest to the highest power of ten that they reach."""

    unit: str
    height: int
    lines: Sequence[Line]

    @property
    def powers(self) -> range:
        """Of ten: from below the least value to above the largest."""
        values = [value for line in self.lines for value in line.values]
        low = math.floor(math.log10(min(values)))
        return range(low, max(low + 1, math.ceil(math.log10(max(values)))) + 1)


def picture(places: Sequence[float], panels: Sequence[Panel], below: str) -> str:
    """The panels one above the other over the same places; ``below`` is what these are."""
    height = sum(panel.height + GAP for panel in panels) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    top = GAP
    for panel in panels:
        parts += _panel(panel, top, places)
        top += panel.height + GAP
    floor = top - GAP
    parts += [_text(_x(place, places), floor + 18, f"{place:,}", "middle") for place in places]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, floor + 38, below, "middle"))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: int, places: Sequence[float]) -> Iterator[str]:
    powers = panel.powers
    span = powers[-1] - powers[0]

    def y(value: float) -> float:
        return top + panel.height * (powers[-1] - math.log10(value)) / span

    yield _text(8, top - 12, panel.unit, "start")
    for power in powers:
        at = y(10.0**power)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="{GRID}"/>'
        yield _text(LEFT - 8, at + 4, f"{10**power:,}", "end")
    for number, line in enumerate(panel.lines):
        points = [(_x(place, places), y(value)) for place, value in zip(places, line.values, strict=True)]
        way = " ".join(f"{x:.1f},{at:.1f}" for x, at in points)
        yield f'<polyline points="{way}" fill="none" stroke="{line.colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{at:.1f}" r="3" fill="{line.colour}"/>' for x, at in points)
        yield _text(LEFT + 10, top + 16 + 17 * number, line.label, "start", line.colour)


def _x(place: float, places: Sequence[float]) -> float:
    wide = max(1.0, math.log10(places[-1] / places[0]))
    return LEFT + 12 + (WIDTH - LEFT - RIGHT - 24) * math.log10(place / places[0]) / wide


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
