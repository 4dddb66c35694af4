"""Measures every bar of speed, memory and staleness on a store of made-up records, in one run.

Each ratio is one of medians: bursts of what is measured and bursts of what it is measured against, in turns.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import msgspec
from benchmark import bars
from benchmark.load import Loaded, load, load_others
from benchmark.pictures import draw
from benchmark.questions import CHIEF, HOT
from benchmark.records import pushes_of
from benchmark.report import BARS, line, machine, table
from benchmark.rig import Figure, How, Rig
from benchmark.wrk import check_installed
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from shaman.errors import ShamanError
from shaman.store.embedded import Embedded

SMALL = 1000
"""Repos of the small store of bar c, and where the curve begins."""

COUNTED = 300_000
"""Repos at which memory is counted."""

CURVE = (SMALL, 10_000, 100_000, COUNTED, 1_000_000)


class Run(Struct, kw_only=True):
    """What is to be measured, and what has been."""

    repos: int
    bars: str
    figures: list[Figure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    counted: int = 0
    machine: dict[str, Any] = field(default_factory=dict)

    def tell(self, figure: Figure) -> None:
        """Take a figure and show it."""
        self.figures.append(figure)
        click.echo(line(figure), err=True)

    def summary(self) -> str:
        """Return the table, what the store was slow at, and what it was measured on."""
        sizes = {"small": SMALL, "large": self.repos, "counted": self.counted}
        slow = [f"Held the store for over 5 ms: {text}" for text in self.slow or ["nothing"]]
        facts = "{date}, {cores} x {cpu}, Python {python}, {store}".format_map(self.machine)
        return "\n".join([table(self.figures, self.missing, sizes), "", *slow, facts])


def measure(run: Run, how: How) -> None:
    """Measure on two stores of its own, which are gone afterwards."""
    prefix = "shaman-bench-"
    with (
        TemporaryDirectory(prefix=prefix) as large_folder,
        TemporaryDirectory(prefix=prefix) as small_folder,
        Embedded(Path(large_folder)) as large,
        Embedded(Path(small_folder)) as small,
    ):
        run.machine = machine(large.url)
        rig = grow(run, Rig(url=large.url, folder=Path(large_folder), how=how))
        few = Rig(url=small.url, folder=Path(small_folder), how=how, pushes=pushes_of(SMALL))
        if "c" in run.bars:
            load(few.url, 0, SMALL)
        measure_bars(run, rig, few)
        run.machine["load_after"] = os.getloadavg()


def grow(run: Run, rig: Rig) -> Rig:
    """Fill the store step by step, and measure at each what belongs there; the rig of the full one."""
    curve = {size for size in CURVE if size < run.repos} | {run.repos} if run.bars == "".join(BARS) else set()
    counted = min(COUNTED, run.repos) if "e" in run.bars else 0
    load_others(rig.url)
    empty, loaded, held = rig.memory(), Loaded(), 0
    for size in sorted({*curve, counted, run.repos} - {0}):
        click.echo(f"loading {size:,} repos", err=True)
        loaded += load(rig.url, held, size)
        held, rig = size, replace(rig, pushes=pushes_of(size))
        if size == counted:
            run.counted = loaded.repos
            bars.memory(rig, loaded, rig.memory() - empty)
        if size in curve:
            run.curve.append(bars.curve_point(rig, size))
    return rig


def measure_bars(run: Run, rig: Rig, few: Rig) -> None:
    """Measure the bars that were asked for; those that write come last."""
    with rig.shaman() as service:
        run.slow = bars.slow_questions(rig, service)
        ways: dict[str, Callable[[], None]] = {
            "a": lambda: bars.hot_again(rig, service),
            "b": lambda: bars.others_each_time(rig, service),
            "c": lambda: bars.small_and_large(rig, few),
            "i": lambda: bars.unchanged(rig, service),
            "h": lambda: bars.next_node(rig, service),
            "f": lambda: bars.beside_a_builder(rig, service),
            "g": lambda: bars.staleness(rig, service),
            "d": lambda: bars.post_repos(rig, service),
        }
        for name, way in ways.items():
            if name in run.bars:
                way()
    if "j" in run.bars:
        bars.start(rig)
    if "k" in run.bars and (why := bars.on_granian(rig)):
        run.missing["k"] = why


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--repos", type=click.IntRange(SMALL), default=1_000_000, show_default=True, help="Size of the store.")
@click.option("--only", help="Bars to measure, such as a,b,h [all]; the curve belongs to all of them.")
@click.option("--duration", type=click.IntRange(1), default=2, show_default=True, help="Seconds of one burst.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Bursts; their median counts.")
@click.option("--quick", is_flag=True, help="One burst of one second, and one question for each bar.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Where to write every figure.")
@click.option("--pictures", type=click.Path(path_type=Path), default="docs", show_default=True, help="Folder for SVGs.")
def main(
    repos: int, only: str | None, duration: int, rounds: int, *, quick: bool, file: Path | None, pictures: Path
) -> None:
    """Measure shaman against its bars and an empty handler; print the table, write the figures, draw the pictures."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every service is ended
    run = Run(repos=repos, bars=chosen(only))
    how = How(chief=CHIEF, hot=HOT, seconds=duration, rounds=rounds, tell=run.tell)
    if quick:
        how = replace(how, chief=CHIEF[:1], hot=CHIEF[:1], seconds=1, rounds=1)
    try:
        check_installed()
        measure(run, how)
    except (OSError, RuntimeError, ShamanError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(run.summary())
    if file:
        told = asdict(run) | {"seconds": how.seconds, "rounds": how.rounds}
        file.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    draw(pictures, run.curve, run.figures)


def chosen(only: str | None) -> str:
    """Return the letters of the bars named in an option. Raises BadParameter naming one that there is not."""
    names: Sequence[str] = [name.strip() for name in only.split(",")] if only else list(BARS)
    for name in names:
        if name not in BARS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(BARS)}", param_hint="--only")
    return "".join(name for name in BARS if name in names)


if __name__ == "__main__":
    main()
