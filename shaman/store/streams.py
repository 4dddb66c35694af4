"""The change streams, read: where they end, and what comes behind an entry, or that this cannot be told any more."""

from functools import partial
from typing import Any

import msgspec

from shaman.distros import Releases
from shaman.store import keys
from shaman.store.batches import Batches
from shaman.store.connection import ask
from shaman.store.cursor import START, Id, digest
from shaman.store.scripts import STREAM_LENGTH
from shaman.store.told import Told, read_event

PAGE = 50
"""Entries in one reply: about 0.1 ms of the store's time, and what each who reads slowly keeps in memory."""

Entry = tuple[Id, Told]


class Gap(Exception):
    """What came behind an entry cannot be told any more; the text says why."""


class Streams:
    """The change streams of all projects and of the nodes."""

    def __init__(self, batches: Batches, releases: Releases) -> None:
        """Use `releases` to tell the names of versions. Each method raises Unavailable if the store is away."""
        self._batches = batches
        self._releases = releases

    async def names(self) -> list[str]:
        """List the keys of all streams; some may not be there yet."""
        projects: Any = await ask(partial(self._batches.call, "SMEMBERS", keys.PROJECTS))
        return [keys.NODE_CHANGES, *(keys.changes(name.decode()) for name in projects)]

    async def last(self, stream: str, until: Id | None = None) -> Id:
        """Return the last entry of a stream, of those up to `until`; START if there is none."""
        call = partial(self._batches.call, "XREVRANGE", stream, str(until or "+"), "-", "COUNT", 1)
        rows: Any = await ask(call)
        return _id(rows[0][0]) if rows else START

    async def behind(self, stream: str, after: Id) -> list[Entry]:
        """Return some of the entries behind `after`, none at the end of the stream.

        Raises Gap if that entry is not there any more: what came behind it may have gone with it.
        """
        call = partial(self._batches.call, "XRANGE", stream, str(after), "+", "COUNT", PAGE + 1)
        rows: Any = await ask(call)
        if after > START:
            if not rows or _id(rows[0][0]) != after:
                raise Gap("the entry that was seen last is not kept any more")
            del rows[0]
        elif await ask(partial(self._batches.call, "XLEN", stream)) >= STREAM_LENGTH:
            raise Gap("the first entries are not kept any more")
        return [(_id(name), self._told(f"{digest(stream)}-{name.decode()}", fields)) for name, fields in rows]

    def _told(self, number: str, fields: dict[bytes, bytes]) -> Told:
        try:
            return read_event(number, fields.get(b"event", b""), self._releases)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Gap("an entry is of another version, or broken") from None


def _id(name: bytes) -> Id:
    time, _, sequence = name.partition(b"-")
    return Id(int(time), int(sequence))
