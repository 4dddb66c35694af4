"""Where somebody is in the change streams, as one short text.

It names the entry seen last of the few streams that have changed last, each exactly. All other streams are told by two
numbers: the greatest of their places (`floor`), and a sum over the names and places of all of them (`rest`). Whoever
reads the text later looks up the last entry of each up to the floor; if the sum is the same, nothing was missed. So the
text stays short however many projects there are, and depends on no clock: an entry that the store has numbered below
the floor since then, as its clock went back, makes another sum.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from heapq import nlargest
from typing import NamedTuple

from msgspec import Struct

LISTED = 8
"""Streams that are told exactly: more than projects change within the time in which a process hears of a change."""

REMEMBERED = 4096
"""Places whose part of the sum is remembered, one for each stream."""

_ID = r"(\d{1,20})-(\d{1,20})"
_TEXT = re.compile(
    rf"1\.(?P<scope>[0-9a-f]{{8}})\.(?P<floor>{_ID})\.(?P<rest>[0-9a-f]{{16}})(?P<listed>(\.[0-9a-f]{{8}}-{_ID})*)"
)
_LISTED = re.compile(rf"\.([0-9a-f]{{8}})-{_ID}")


class Id(NamedTuple):
    """The number of an entry: milliseconds, and which of those of one millisecond."""

    time: int
    sequence: int

    def __str__(self) -> str:
        """Return it as the store writes it."""
        return f"{self.time}-{self.sequence}"


START = Id(0, 0)
"""Before the first entry."""

Places = Mapping[str, Id]
"""The last entry seen of each stream, by its key; START of one that had none."""


class Cursor(Struct, frozen=True):
    """The text taken apart; streams stand in it by a digest of their keys."""

    scope: str
    floor: Id
    rest: int
    listed: dict[str, Id]


def encode(scope: str, places: Places) -> str:
    """Return the text for `places`, all the streams of a scope."""
    there = [(place, stream) for stream, place in places.items() if place > START]
    newest = nlargest(LISTED, there) if len(there) > LISTED else there
    listed = {stream for _, stream in newest}
    others = [(place, stream) for place, stream in there if stream not in listed]
    floor = max((place for place, _ in others), default=START)
    rest = sum_of((stream, place) for place, stream in others)
    parts = "".join(f".{digest(stream)}-{place}" for place, stream in newest)
    return f"1.{digest(scope)}.{floor}.{rest:016x}{parts}"


def decode(text: str) -> Cursor | None:
    """Return what `encode` has written; None if it is something else."""
    match = _TEXT.fullmatch(text) if text.isascii() else None
    if match is None:
        return None
    time, _, sequence = match["floor"].partition("-")
    listed = {stream: Id(int(time), int(sequence)) for stream, time, sequence in _LISTED.findall(match["listed"])}
    return Cursor(match["scope"], Id(int(time), int(sequence)), int(match["rest"], 16), listed)


def sum_of(places: Iterable[tuple[str, Id]]) -> int:
    """Return the sum over streams and their places, in any order; those without an entry count nothing."""
    total = 0
    for stream, place in places:
        if place > START:
            total ^= _part(stream, place)
    return total


@lru_cache(REMEMBERED)
def _part(stream: str, place: Id) -> int:
    return int.from_bytes(blake2b(f"{stream} {place}".encode(), digest_size=8).digest())


@lru_cache(REMEMBERED)
def digest(name: str) -> str:
    """Return what stands for a stream or a scope."""
    return blake2b(name.encode(), digest_size=4).hexdigest()
