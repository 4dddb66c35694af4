"""The change stream against the documents: its newest entry of a record tells how that is now."""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from shaman.store import keys
from shaman.store.checking.kinds import BUILDS, REPOS, Record
from shaman.store.checking.steps import Command, Fault, Unit, Verdict, ask_typed
from shaman.store.scripts import STREAM_LENGTH
from shaman.store.swaps import Change

PAGE = 250
"""Entries read in one step."""

CHUNK = 25
"""Records compared with their newest entry in one step."""

_KINDS = {kind.name: kind for kind in (REPOS, BUILDS)}


class Stream:
    """The change stream of a project, as far as it has been read."""

    def __init__(self, client: Redis, project: str) -> None:
        """Know nothing before `broken_units`."""
        self._client = client
        self._project = project
        self._key = keys.changes(project)
        self._mark = b"0-0"
        self._newest: dict[tuple[str, int], Change] = {}
        self.greatest = {"repo": 0, "build": 0}

    async def broken_units(self) -> AsyncIterator[Unit]:
        """Read the whole stream; yield the check of each entry that cannot be read."""
        async for number, event in entries(self._client, self._key):
            self._mark = number
            if wrong := self._note(event):
                yield broken_unit(self._key, number, wrong)

    def newest_units(self) -> Iterator[Unit]:
        """Yield the check of all records that the stream tells of."""
        records = list(self._newest)
        for first in range(0, len(records), CHUNK):
            yield self._newest_unit(records[first : first + CHUNK])

    def _note(self, event: bytes) -> str | None:
        """Take an event as the newest of its record; what is wrong with it."""
        try:
            change = msgspec.json.decode(event, type=Change)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return f"is no change event: {error}"
        if change.kind not in _KINDS or change.project != self._project:
            return f"is no change event: of a {change.kind} of project {change.project}"
        self._newest[change.kind, change.id] = change
        self.greatest[change.kind] = max(self.greatest[change.kind], change.id)
        return None

    def _newest_unit(self, records: Sequence[tuple[str, int]]) -> Unit:
        mark = self._mark
        documents = [Command("HGET", _KINDS[kind].documents(self._project), (number,)) for kind, number in records]
        oldest = Command("XRANGE", self._key, ("-", "+", "COUNT", 1))
        news = Command("XRANGE", self._key, (_behind(mark), "+", "COUNT", PAGE))

        def judge(replies: Sequence[Any]) -> Verdict:
            self._read_on(*replies[:2])
            if len(replies[1] or ()) == PAGE:
                return [self._newest_unit(records)]
            pairs = zip(records, replies[2:], strict=True)
            return [fault for (kind, number), document in pairs for fault in self._compared(kind, number, document)]

        return Unit((oldest, news, *documents), judge)

    def _read_on(self, oldest: Any, news: Any) -> None:
        if oldest and _order(oldest[0][0]) > _order(self._mark):  # what it told between has been trimmed
            self._newest.clear()
        for number, fields in news or ():
            self._mark = max(self._mark, number, key=_order)
            self._note(dict(zip(fields[::2], fields[1::2], strict=True)).get(b"event", b""))

    def _compared(self, kind: str, number: int, document: bytes | None) -> list[Fault]:
        told = self._newest.get((kind, number))
        if told is None:
            return []
        record = _KINDS[kind].read(self._project, document) if document else None
        if isinstance(record, str):
            return []
        said = None if told.event == "deleted" else _plain(told, number)
        if said == (_plain(record.change, number) if record else None):
            return []
        right = replace(record.change, event="updated") if record else _deletion(told)
        event = msgspec.json.encode(replace(right, id=number))
        mend = Command("XADD", self._key, ("MAXLEN", "~", STREAM_LENGTH, "*", "event", event))
        return [Fault(key=self._key, member=f"{kind} {number}", wrong=_told(told, record), mend=(mend,))]


async def entries(client: Redis, key: str) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield the number and the event of each entry of a stream."""
    mark = b"0-0"
    while True:
        page: Any = await ask_typed(partial(client.xrange, key, _behind(mark), count=PAGE), [])
        for mark, fields in page:
            yield mark, fields.get(b"event", b"")
        if len(page) < PAGE:
            return


def broken_unit(key: str, number: bytes, wrong: str) -> Unit:
    """Return the check of an entry that cannot be read."""
    mend = (Command("XDEL", key, (number,)),)

    def judge(replies: Sequence[Any]) -> Verdict:
        return [Fault(key=key, member=number, wrong=wrong, mend=mend)] if replies[0] else []

    return Unit((Command("XRANGE", key, (number, number)),), judge)


def _plain(change: Change, number: int) -> Change:
    """Return what a change tells of the record as it is since."""
    return replace(change, id=number, event="", was=None, old_ref=None, old_sha1=None)


def _deletion(told: Change) -> Change:
    return replace(told, event="deleted", was=told.status, status="deleted", old_ref=None, old_sha1=None)


def _told(told: Change, record: Record | None) -> str:
    if record is None:
        return f"the newest entry tells {told.event}, and there is no such document"
    if told.event == "deleted":
        return "the newest entry tells that it is deleted, and there is its document"
    return f"the newest entry tells {told.status} at {told.modified}, its document {record.status} at {record.time}"


def _behind(number: bytes) -> str:
    """Return the first number that an entry behind this one can have."""
    time, _, sequence = number.decode().partition("-")
    return f"{time}-{int(sequence) + 1}"


def _order(number: bytes) -> tuple[int, ...]:
    return tuple(map(int, number.split(b"-")))
