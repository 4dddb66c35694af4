"""Runs what breaks under shaman, for a given time, and tells in one table what was promised and what was seen.

Each point is a module of `soaking` with one function, `measure(seconds, seed)`, that yields rows.
"""

import importlib
import secrets
import signal
import sys
import time
from collections.abc import Iterator

import click
from soaking.rows import Row, table

POINTS = ("writes", "kills", "failover", "history", "restarts", "slow")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=30, show_default=True, help="For all.")
@click.option("--only", help=f"Points to run [{','.join(POINTS)}].")
@click.option("--seed", type=int, help="Makes the same faults again, as far as time allows [a random one].")
def main(minutes: float, only: str | None, seed: int | None) -> None:
    """Break what can break, print the figures as a table, and fail if any promise was broken."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended
    points = chosen(only)
    seed = secrets.randbits(32) if seed is None else seed
    click.echo(f"seed {seed}", err=True)
    rows = []
    for row in measured(points, minutes * 60, seed):
        click.echo(f"{row.point}: {row.what}: {row.figure}" + ("" if row.kept else "  BROKEN"), err=True)
        rows.append(row)
    click.echo(table(rows))
    click.echo(f"\nseed {seed}, {time.strftime('%Y-%m-%d')}")
    sys.exit(0 if all(row.kept for row in rows) else 1)


def measured(points: list[str], seconds: float, seed: int) -> Iterator[Row]:
    """Run the points, each with its share of the time; what is left over goes to the others."""
    end = time.monotonic() + seconds
    for index, point in enumerate(points):
        click.echo(f"running {point}", err=True)
        share = max(end - time.monotonic(), 0) / (len(points) - index)
        yield from importlib.import_module(f"soaking.{point}").measure(share, seed)


def chosen(only: str | None) -> list[str]:
    """Return the points named in an option. Raises BadParameter naming one that there is not."""
    names = [name.strip() for name in only.split(",")] if only else list(POINTS)
    for name in names:
        if name not in POINTS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(POINTS)}", param_hint="--only")
    return [name for name in POINTS if name in names]


if __name__ == "__main__":
    main()
