"""The two pictures of a run: what the number of records does to the rate, and how long answers take at full load."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.chart import chart
from benchmark.rig import Figure

GROWTH, LATENCY = "bench-growth.svg", "bench-latency.svg"

RATES = {"asked again": "again", "another ref each time": "others", "empty handler": "empty"}
"""The lines of the first picture, and what a point of the curve calls them."""

CHOSEN = {"asked again": "a", "another ref each time": "b", "POST of a new repo": "d"}
"""The lines of the second picture, and the bars whose first figure they are."""


def draw(folder: Path, curve: Sequence[Mapping[str, float]], figures: Sequence[Figure]) -> None:
    """Draw the pictures for which there is something."""
    folder.mkdir(parents=True, exist_ok=True)
    if curve:
        series = {name: [point[key] for point in curve] for name, key in RATES.items()}
        places = [f"{point['repos']:,.0f} repos" for point in curve]
        picture = chart("Search by ref: requests a second, one worker", places, series)
        (folder / GROWTH).write_text(picture)
    first = {figure.bar: figure for figure in reversed(figures)}
    if first.keys() >= set(CHOSEN.values()):
        lines = {name: first[bar].latency for name, bar in CHOSEN.items()} | {"empty handler": first["a"].other_latency}
        series = {name: list(line.values()) for name, line in lines.items()}
        places = [f"p{percentile}" for percentile in first["a"].latency]
        picture = chart("Milliseconds to an answer, 32 connections at full load, one worker", places, series)
        (folder / LATENCY).write_text(picture)
