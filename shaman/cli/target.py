"""Which server a client command asks, as the options before the command say; and durations as people write them."""

import re

import click
from msgspec import Struct

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def duration(text: str) -> float:
    """Return the seconds that 90s, 10m, 2h, 1d or a bare number means."""
    matched = _DURATION.fullmatch(text)
    if not matched:
        raise click.BadParameter(f"{text!r} is not a time such as 90s, 10m or 2h")
    return float(matched[1]) * _SECONDS[matched[2] or "s"]


class Target(Struct, frozen=True):
    """The server to ask, if it is named, and the seconds for which it is asked again while it is away."""

    url: str | None
    patience: float
