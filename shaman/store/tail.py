"""The ends of the change streams as this process has read them: what is new is read once, and handed on in order.

A wake-up says that a stream has something new, and the tail reads what is behind the place up to which it has read.
A wake-up that was lost loses nothing: all streams are read then. While the store is away the places stay.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from shaman.errors import Unavailable
from shaman.store import keys
from shaman.store.connection import ANSWER_WAIT
from shaman.store.cursor import START, Id
from shaman.store.streams import PAGE, Gap, Streams
from shaman.store.told import Told
from shaman.store.wakeups import Tag, Wakeups
from shaman.tasks import end_task

EVERYTHING = ""
"""The scope of all streams; any other is the key of one."""

RETRY = 0.5
"""Seconds until the store is asked again that was away."""

_RECORDS = frozenset({"repo", "build"})


class Tail:
    """The streams that are followed, each up to its place."""

    def __init__(
        self,
        streams: Streams,
        wakeups: Wakeups,
        *,
        heard: Callable[[], bool],
        hand: Callable[[str, Told | Gap], None],
    ) -> None:
        """Have `hand` called with the key of a stream and what is new there, when the place is behind it already.

        When `heard` tells that nobody listens, nothing is followed any more.
        """
        self._streams = streams
        self._heard = heard
        self._hand = hand
        self._places: dict[str, Id] = {}
        self._all = False
        self._unread: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        wakeups.on_change(self._note)

    def places(self, scope: str) -> dict[str, Id]:
        """Return the places of the streams of a scope that is followed; START of one that was not there at first."""
        return {scope: self._places.get(scope, START)} if scope else dict(self._places)

    async def follow(self, scope: str) -> None:
        """Read what is new in a scope from now on. Raises Unavailable if the store is away."""
        if self._heard() and (self._all or scope in self._places):
            return
        async with self._turn():
            if not self._heard():
                self._forget()  # nobody has looked whether it is still so
            names = [scope] if scope else await self._streams.names()
            new = [name for name in names if name not in self._places]
            lasts = await asyncio.gather(*map(self._streams.last, new))
            self._places.update(zip(new, lasts, strict=True))
            self._all = self._all or not scope

    async def catch_up(self) -> None:
        """Read whatever is new, wake-up or not. Raises Unavailable if the store is away."""
        self._unread.add(EVERYTHING)
        async with self._turn():
            await self._read_unread()

    async def close(self) -> None:
        """Read no more."""
        if self._reading:
            await end_task(self._reading)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(ANSWER_WAIT), self._one_at_a_time:
                yield
        except TimeoutError as error:
            raise Unavailable("the store does not answer") from error

    def _note(self, tags: Collection[Tag] | None) -> None:
        """Take note of a wake-up; of what is not followed, too, while somebody may be about to."""
        if not self._heard() and not self._one_at_a_time.locked():
            self._forget()
            return
        self._unread |= {EVERYTHING} if tags is None else {name for tag in tags if (name := _stream_of(tag))}
        if self._unread and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read_on())

    def _forget(self) -> None:
        self._places, self._unread, self._all = {}, set(), False

    async def _read_on(self) -> None:
        while self._unread:
            try:
                async with self._turn():
                    await self._read_unread()
            except Unavailable:
                await asyncio.sleep(RETRY)

    async def _read_unread(self) -> None:
        unread, self._unread = self._unread, set()
        try:
            if EVERYTHING in unread:
                unread = {*self._places, *(await self._streams.names() if self._all else ())}
            await self._read_each([name for name in unread if self._all or name in self._places])
        except BaseException:
            self._unread |= unread
            raise

    async def _read_each(self, names: Collection[str]) -> None:
        done = await asyncio.gather(*map(self._read, names), return_exceptions=True)
        if failed := [error for error in done if error]:
            raise failed[0]

    async def _read(self, name: str) -> None:
        """Hand on what is new in a stream; of one that was not there when all were looked up, everything is."""
        try:
            more = True
            while more:
                entries = await self._streams.behind(name, self._places.get(name, START))
                more = len(entries) == PAGE
                for self._places[name], told in entries:
                    self._hand(name, told)
        except Gap as gap:
            self._places[name] = await self._streams.last(name)
            self._hand(name, gap)


def _stream_of(tag: Tag) -> str | None:
    """Return the stream that has something new if a tag has changed; None: another tag of the same change says it."""
    match tag:
        case ("node",):
            return keys.NODE_CHANGES
        case (kind, project) if kind in _RECORDS:
            return keys.changes(project)
    return None
