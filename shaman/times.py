"""Times as text and back; inside they are integers, microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from shaman.errors import Invalid

REMEMBERED = 4096
"""Seconds whose text is remembered: what is built together is told together, and again."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - all times are UTC, and writing a zone takes time


def parse_time(name: str, text: str) -> int:
    """Return the microseconds of an ISO 8601 time: `T` or a blank between, UTC where no zone is told.

    Raises Invalid if `text` is none.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{name}: is not a time such as 2026-06-17T18:04:30.190595Z") from None
    try:
        time = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except OverflowError:
        raise Invalid(f"{name}: is not in the years 1970 to 9999") from None
    microseconds = (time - _EPOCH) // timedelta(microseconds=1)
    if microseconds < 0:
        raise Invalid(f"{name}: is before 1970")
    return microseconds


def format_time(microseconds: int, separator: Literal["T", " "] = "T") -> str:
    """Return the RFC 3339 text of a time, always six decimals; with a blank between, the zone is left out."""
    seconds, rest = divmod(microseconds, 1_000_000)
    zone = "Z" if separator == "T" else ""
    return f"{_second(seconds, separator)}.{rest:06d}{zone}"


@lru_cache(REMEMBERED)
def _second(seconds: int, separator: str) -> str:
    return (_EPOCH + timedelta(0, seconds)).isoformat(separator)
