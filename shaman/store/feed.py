"""The change streams for many listeners of one process, each of which hears what it wants to, once and in order.

A listener begins at a cursor: it reads for itself what lies between that and the place of the tail, and lives on its
queue from there, which the tail fills. One that is slow loses its queue when that is full, and begins again at the
cursor of what it was told last. So nothing is lost, told twice or piled up, and a write costs one read of a process.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from shaman.errors import Unavailable
from shaman.store import keys
from shaman.store.cursor import START, Cursor, Id, decode, digest, encode, sum_of
from shaman.store.streams import Gap, Streams
from shaman.store.tail import EVERYTHING, RETRY, Tail
from shaman.store.told import Told, Wanted
from shaman.store.wakeups import Wakeups

QUEUE = 256
"""Changes that wait for one listener; all who hear of one share it."""

SILENCE = 15.0
"""Seconds after which a listener to whom nothing was told is told where it is."""

AT_ONCE = 8
"""Listeners of a process that read for themselves at the same time."""


class Item:
    """What a listener is told: a change, why some may be missing, or None if there is nothing new; and the cursor."""

    __slots__ = ("cursor", "told")

    def __init__(self, told: Told | Gap | None, cursor: str) -> None:
        """Have the listener go on at `cursor`, "" if that is where it was."""
        self.told = told
        self.cursor = cursor


class Listener:
    """One who listens; `behind` tells that the queue was full and is gone."""

    def __init__(self, wanted: Wanted) -> None:
        """Begin with an empty queue."""
        self.wanted = wanted
        self.scope = scope_of(wanted)
        self.behind = False
        self._queue: deque[Item] = deque()
        self._waker: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """Empty the queue."""
        self.behind = False
        self._queue.clear()

    def put(self, item: Item) -> None:
        """Add to the queue."""
        if len(self._queue) >= QUEUE:
            self._queue.clear()
            self.behind = True
        elif not self.behind:
            self._queue.append(item)
        self.wake()

    def wake(self) -> None:
        """Let it look at its queue."""
        if self._waker and not self._waker.done():
            self._waker.set_result(None)

    async def next(self) -> Item | None:
        """Return the first of the queue; None if there is nothing for some time, or somebody has woken it."""
        if not self._queue:
            self._waker = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._waker}, timeout=SILENCE)
        return self._queue.popleft() if self._queue else None


def scope_of(wanted: Wanted) -> str:
    """Return the streams that can have what is wanted: the key of one, or EVERYTHING."""
    if wanted.project is not None:
        return keys.changes(wanted.project)
    return keys.NODE_CHANGES if wanted.kind == "node" else EVERYTHING


class Feed:
    """All listeners of this process."""

    def __init__(self, streams: Streams, wakeups: Wakeups) -> None:
        """Read nothing before somebody listens."""
        self._streams = streams
        self._tail = Tail(streams, wakeups, heard=lambda: bool(self._listeners), hand=self._hand)
        self._listeners: dict[Wanted, set[Listener]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._stopped = False

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._everybody())

    def stop(self) -> None:
        """End all listening, soon; from now on nobody listens."""
        self._stopped = True
        for listener in self._everybody():
            listener.wake()

    async def close(self) -> None:
        """End all listening, and read no more."""
        self.stop()
        await self._tail.close()

    async def now(self, wanted: Wanted) -> str:
        """Return the cursor behind which is what comes from now on. Raises Unavailable if the store is away."""
        scope = scope_of(wanted)
        await self._tail.follow(scope)
        return self._end(scope)

    async def listen(self, wanted: Wanted, cursor: str) -> AsyncGenerator[Item, None]:
        """Yield what is wanted from `cursor` on, until the process stops; while the store is away nothing is new."""
        listener = Listener(wanted)
        self._listeners.setdefault(wanted, set()).add(listener)
        try:
            while self._goes_on():
                async for item in self._heard(listener, cursor):
                    cursor = item.cursor or cursor
                    yield item
                    if not self._goes_on():
                        return
        finally:
            self._leave(listener)

    def _leave(self, listener: Listener) -> None:
        self._listeners[listener.wanted].discard(listener)
        if not self._listeners[listener.wanted]:
            del self._listeners[listener.wanted]

    def _goes_on(self) -> bool:
        return not self._stopped

    async def _heard(self, listener: Listener, cursor: str) -> AsyncIterator[Item]:
        """Yield what comes from `cursor` on, until the listener is behind or the store away."""
        try:
            async for item in self._missed(listener, cursor):
                yield item
        except Gap as gap:
            listener.begin()
            yield Item(gap, self._end(listener.scope))
        except Unavailable:
            await asyncio.sleep(RETRY)
            yield Item(None, "")
            return
        while self._goes_on() and not listener.behind:
            new = await listener.next()
            if new is not None:
                yield new
            elif not listener.behind:
                yield Item(None, self._end(listener.scope))

    def _end(self, scope: str) -> str:
        """Return the cursor of who has been told everything."""
        return encode(scope, self._tail.places(scope))

    async def _missed(self, listener: Listener, cursor: str) -> AsyncIterator[Item]:
        """Yield what lies between `cursor` and the queue, which begins now."""
        async with self._turns:
            await self._tail.follow(listener.scope)
            places, ends = await self._located(listener, cursor)
        read = False
        for name, end in ends.items():
            while places[name] < end:
                async with self._turns:
                    entries = await self._streams.behind(name, places[name])
                for place, told in entries:
                    if place <= end:
                        read, places[name] = True, place
                        if listener.wanted in told.wanted():
                            yield Item(told, encode(listener.scope, places))
                if not entries or entries[-1][0] > end > places[name]:
                    raise Gap("the newest entries are not there any more")
        if read:
            yield Item(None, encode(listener.scope, ends))

    async def _located(self, listener: Listener, text: str) -> tuple[dict[str, Id], dict[str, Id]]:
        """Return the places of a cursor, and those of the tail at the moment when the queue begins.

        Raises Gap if there is no way from the one to the other, and the tail is not only late.
        """
        cursor = decode(text)
        if cursor is None or cursor.scope != digest(listener.scope):
            raise Gap("the id is not one that was given for these parameters")
        for late in (True, False):
            listener.begin()
            ends = self._tail.places(listener.scope)
            places = await self._places(cursor, ends)
            if places is not None:
                return places, ends
            if late:
                await self._tail.catch_up()
        raise Gap("what came behind the id is not kept any more")

    async def _places(self, cursor: Cursor, ends: dict[str, Id]) -> dict[str, Id] | None:
        listed = {name: cursor.listed[digest(name)] for name in ends if digest(name) in cursor.listed}
        if len(listed) < len(cursor.listed) or any(place > ends[name] for name, place in listed.items()):
            return None
        others = {name: end if end <= cursor.floor else START for name, end in ends.items() if name not in listed}
        if cursor.floor > START:
            moved = [name for name, place in others.items() if place == START]
            lasts = await asyncio.gather(*(self._streams.last(name, cursor.floor) for name in moved))
            others.update(zip(moved, lasts, strict=True))
        return listed | others if sum_of(others.items()) == cursor.rest else None

    def _hand(self, stream: str, told: Told | Gap) -> None:
        """Put what is new into the queues of those who want it: of one scope, all get the same item."""
        items: dict[str, Item] = {}
        for listener in self._concerned(stream, told):
            scope = listener.scope
            if scope not in items:
                items[scope] = Item(told, self._end(scope))
            listener.put(items[scope])

    def _concerned(self, stream: str, told: Told | Gap) -> Iterable[Listener]:
        if isinstance(told, Told):
            return [listener for wanted in told.wanted() for listener in self._listeners.get(wanted, ())]
        return [listener for listener in self._everybody() if listener.scope in {stream, EVERYTHING}]

    def _everybody(self) -> list[Listener]:
        return [listener for listeners in self._listeners.values() for listener in listeners]
