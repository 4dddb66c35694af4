"""A chart of lines as SVG: a few series over a few named places, on a logarithmic scale."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 200, 48, 48
FONT = 'font-family="sans-serif" font-size="12"'
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Told apart by those who see few colours, too."""


def chart(title: str, places: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Return the picture; each of the `series`, up to four, has a value above 0 for each place."""
    values = [value for line in series.values() for value in line]
    low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values) * 1.01))

    def across(index: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * index / max(1, len(places) - 1)

    def down(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - math.log(value / low) / math.log(high / low))

    parts = [_text(LEFT, 24, title, "start", "bold")]
    for tick in _ticks(low, high):
        y = down(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, _number(tick), "end"))
    parts += [_text(across(index), HEIGHT - 20, place) for index, place in enumerate(places)]
    labels = _apart([down(line[-1]) for line in series.values()])
    for (name, line), colour, y in zip(series.items(), COLOURS, labels, strict=False):
        points = [(across(index), down(value)) for index, value in enumerate(line)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(_text(WIDTH - RIGHT + 10, y + 4, f"{name}: {_number(line[-1])}", "start", "normal", colour))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *parts, "</svg>\n"])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits of those below


def _ticks(low: float, high: float) -> list[float]:
    decades = round(math.log10(high / low))
    return [low * 10**decade * step for decade in range(decades) for step in (1, 2, 5)] + [high]


def _apart(places: Sequence[float], distance: float = 16) -> list[float]:
    """Return the places, moved down where two would overlap."""
    moved = dict.fromkeys(range(len(places)), 0.0)
    last = -math.inf
    for index in sorted(moved, key=lambda index: places[index]):
        last = moved[index] = max(places[index], last + distance)
    return list(moved.values())


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: str = "normal", colour: str = "#222") -> str:
    attributes = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
