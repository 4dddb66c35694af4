"""What is told of a run: the table of the bars, the figures behind it, and the machine."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmark.rig import Figure, connect

PARTS = ("quart", "hypercorn", "granian", "redis", "hiredis", "msgspec")


class Bar(Struct, frozen=True):
    """What is measured, the limit of it, and whether more is better; `unit` stands behind figure and limit."""

    what: str
    limit: float
    more: bool
    unit: str

    def met_by(self, figure: float) -> bool:
        """Tell whether a figure is good enough."""
        return figure >= self.limit if self.more else figure <= self.limit


BARS = {
    "a": Bar("hot lookup asked again", 1.5, True, "x empty"),
    "b": Bar("the same, each request a different ref (nothing cached)", 0.6, True, "x empty"),
    "c": Bar("a and b at {small:,} vs {large:,} repos in one project", 1.25, False, "x"),
    "d": Bar("POST of a repo: new, and status update", 0.35, True, "x empty"),
    "e": Bar("memory of the store at {counted:,} repos", 2.0, False, "x the JSON"),
    "f": Bar("a under 20 POSTs/s to the same project", 0.9, True, "x a"),
    "g": Bar("staleness: POST by one worker until another answers with it", 50, False, "ms"),
    "h": Bar("`/nodes/next/`", 0.6, True, "x empty"),
    "i": Bar("conditional GET, 304", 1.0, True, "x a"),
    "j": Bar("start of a worker with {large:,} repos in the store", 1.0, False, "s"),
    "k": Bar("a, on granian", 6.0, True, "x empty on Hypercorn"),
}
"""The bars; `small`, `large` and `counted` are numbers of repos."""


def table(figures: Sequence[Figure], missing: dict[str, str], sizes: dict[str, int]) -> str:
    """Return the table: of each bar its worst figure, and what that was of. `missing` tells why a bar has none."""
    lines = ["| | what | bar | measured | |", "|---|---|---|---|---|"]
    for name, bar in BARS.items():
        what, limit = bar.what.format(**sizes), f"{'>=' if bar.more else '<='} {bar.limit:g} {bar.unit}"
        found = sorted((figure for figure in figures if figure.bar == name), key=lambda figure: figure.figure)
        if found:
            worst, best = (found[0], found[-1]) if bar.more else (found[-1], found[0])
            measured = f"{worst.figure:.4g} ({worst.name})" + (f" to {best.figure:.4g}" if len(found) > 1 else "")
            verdict = "met" if bar.met_by(worst.figure) else "NOT MET"
            lines.append(f"| {name} | {what} | {limit} | {measured} | {verdict} |")
        elif name in missing:
            lines.append(f"| {name} | {what} | {limit} | {missing[name]} | not measured |")
    return "\n".join(lines)


def line(figure: Figure) -> str:
    """Return a figure on one line."""
    text = f"{figure.bar or 'curve':5} {figure.name:34} {figure.figure:6.2f}"
    if figure.rate is not None and figure.other is not None:
        text += f"  {figure.rate:7,.0f}/s to {figure.other:7,.0f}/s  p99 {figure.latency.get('99', 0):6.1f} ms"
        text += f"  {figure.trips:.2f} trips" + (f"  {figure.by_cpu:.2f} by cpu" if figure.by_cpu else "")
    return f"{text}  {figure.note}"


def machine(url: str) -> dict[str, Any]:
    """Return what it was measured on, and when."""
    with connect(url) as client:
        told: Any = client.info("server")
    store = f"valkey {told['valkey_version']}" if "valkey_version" in told else f"redis {told['redis_version']}"
    installed = {found.name.lower(): found.version for found in metadata.distributions()}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "store": store,
        **{name: installed[name] for name in PARTS if name in installed},
    }


def _cpu() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next((text.partition(": ")[2] for text in lines if text.startswith("model name")), platform.processor())
