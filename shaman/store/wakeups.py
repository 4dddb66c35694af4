"""What has changed, so that nothing is answered from memory that is not so any more.

Every write publishes its change event in the script that makes it; one listener in each process hears those of all
processes. What this process writes is known here at once. Whoever keeps an answer asks for the tags of what it was
made from: a tag names a part of the store that changes as one.
"""

import asyncio
import itertools
import logging
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec
from msgspec import Struct
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from shaman.store import keys

Tag = tuple[str, ...]
"""`(kind,)`: any record; `(kind, project)`: any of a project; `(kind, project, "ref" or "sha1", name)`."""

PING_EVERY = 0.4
"""Seconds of silence after which the listener asks whether the store is still there."""

LEASE = 1.5
"""Seconds since the store was heard last for which its silence means that nothing has changed."""

RECONNECT_AFTER = 0.2
"""Seconds until the listener tries again."""

REMEMBERED = 20_000
"""Changed tags of which the time is known: more than change while the slowest answer is made."""

_log = logging.getLogger(__name__)


class Reading:
    """What an answer has been made from so far; `complete` is false if something of it has no tag."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.tags: set[Tag] = set()
        self.complete = True

    def add(self, other: "Reading") -> None:
        """Depend on all that another depends on, too."""
        self.tags |= other.tags
        self.complete = self.complete and other.complete


_reading: ContextVar[Reading | None] = ContextVar("_reading", default=None)


@contextmanager
def noting_reads() -> Iterator[Reading]:
    """Note what is read meanwhile in the current task; whoever notes further out notes it, too."""
    outer, noted = _reading.get(), Reading()
    token = _reading.set(noted)
    try:
        yield noted
    finally:
        _reading.reset(token)
        if outer is not None:
            outer.add(noted)


def note_read(tags: Collection[Tag]) -> None:
    """Note that the current answer depends on `tags`; without any, on something that is never told."""
    current = _reading.get()
    if current is not None:
        current.tags.update(tags)
        current.complete = current.complete and bool(tags)


class _Event(Struct, frozen=True):
    """As much of a change event as names its tags."""

    kind: str
    project: str = ""
    ref: str = ""
    sha1: str = ""
    old_ref: str | None = None
    old_sha1: str | None = None


_decoder = msgspec.json.Decoder(_Event)


def named(kind: str, project: str, ref: str = "", sha1: str = "") -> list[Tag]:
    """Return the tags of what a read finds by the names of refs and sha1s; without any, of the whole project."""
    tags: list[Tag] = []
    if ref:
        tags.append((kind, project, "ref", ref))
    if sha1:
        tags.append((kind, project, "sha1", sha1))
    return tags or [(kind, project)]


def tags_of(kind: str, project: str, refs: Collection[str | None], sha1s: Collection[str | None]) -> set[Tag]:
    """Return what changes with a record of this kind that has, or had, these refs and sha1s."""
    tags: set[Tag] = {(kind,), (kind, project)}
    tags |= {(kind, project, "ref", ref) for ref in refs if ref}
    tags |= {(kind, project, "sha1", sha1) for sha1 in sha1s if sha1}
    return tags


class Wakeups:
    """The changes of the store as this process knows them."""

    def __init__(self, client: Redis) -> None:
        """Hear nothing before `listen`, which uses a connection of `client` alone."""
        self._client = client
        self._channel: PubSub | None = None
        self._pongs: dict[bytes, asyncio.Future[None]] = {}
        self._tokens = itertools.count()
        self._heard = -LEASE
        self._connected = False
        self._now = 0
        self._forgotten = 0
        self._changed: OrderedDict[Tag, int] = OrderedDict()
        self._in_writing: Counter[Tag] = Counter()
        self._callbacks: list[Callable[[Collection[Tag] | None], None]] = []
        self._waiting: defaultdict[Tag, set[asyncio.Future[None]]] = defaultdict(set)

    @property
    def now(self) -> int:
        """The number of changes so far: a moment to ask about with `changed_since`."""
        return self._now

    def trusted(self) -> bool:
        """Tell whether every change of the last seconds has been heard, so that what was read before is still so."""
        return self._connected and time.monotonic() - self._heard < LEASE

    @property
    def silence(self) -> float:
        """Seconds since the store was last heard."""
        return time.monotonic() - self._heard

    def in_writing(self, tags: Collection[Tag]) -> bool:
        """Tell whether this process is writing any of `tags`: the store may have the new state already, or not."""
        return bool(self._in_writing) and not self._in_writing.keys().isdisjoint(tags)

    def changed_since(self, tags: Collection[Tag], moment: int) -> bool:
        """Tell whether any of `tags` has changed since, or may have."""
        return moment < self._forgotten or any(self._changed.get(tag, 0) > moment for tag in tags)

    def on_change(self, callback: Callable[[Collection[Tag] | None], None]) -> None:
        """Have `callback` called at each change with its tags; with None when anything may have changed."""
        self._callbacks.append(callback)

    async def change(self, tags: Collection[Tag], moment: int) -> None:
        """Return as soon as any of `tags` has changed since `moment`, or may have."""
        if self.changed_since(tags, moment):
            return
        changed = asyncio.get_running_loop().create_future()
        for tag in tags:
            self._waiting[tag].add(changed)
        try:
            await changed
        finally:
            for tag in tags:
                self._waiting[tag].discard(changed)
                if not self._waiting[tag]:
                    del self._waiting[tag]

    @contextmanager
    def writing(self, tags: Collection[Tag]) -> Iterator[None]:
        """Hold what changes with a write of this process: until it ends nobody knows, then it has changed."""
        self._in_writing.update(tags)
        try:
            yield
        finally:
            self._in_writing.subtract(tags)
            self._in_writing = +self._in_writing
            self.note_change(tags)

    async def listen(self) -> None:
        """Hear every change until cancelled, connecting again and again; without a connection nothing is trusted."""
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await self._hear(channel)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next connection may do better
                if self._connected or self._now == 0:
                    _log.warning("no wake-ups from the store: %s", type(error).__name__)
            finally:
                self._connected, self._channel = False, None
                self._forget_all()
            await asyncio.sleep(RECONNECT_AFTER)

    async def catch_up(self) -> None:
        """Return when every change has been heard of that the store has made by now; they come in order.

        If that takes too long, nothing is believed any more that was read before.
        """
        channel, token = self._channel, b"%d" % next(self._tokens)
        if channel is not None:
            self._pongs[token] = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(LEASE):
                    await channel.ping(token.decode())
                    await self._pongs[token]
                    return
            except Exception as error:  # noqa: BLE001 - a connection that ends meanwhile fails with an AttributeError, too
                _log.info("no answer on the channel of wake-ups: %s", type(error).__name__)
            finally:
                del self._pongs[token]
        self._forget_all()

    async def _hear(self, channel: PubSub) -> None:
        self._heard = time.monotonic()
        await channel.subscribe(keys.CHANNEL)
        while True:
            message = await channel.get_message(timeout=PING_EVERY)
            if message is None:
                if time.monotonic() - self._heard > LEASE:
                    raise exceptions.TimeoutError
                await channel.ping()
                continue
            self._heard = time.monotonic()
            self._take(channel, message)

    def _take(self, channel: PubSub, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            self._forget_all()
            self._connected, self._channel = True, channel
        elif message["type"] == "message":
            self._note(message["data"])
        elif message["type"] == "pong" and (waiting := self._pongs.get(message["data"])) and not waiting.done():
            waiting.set_result(None)

    def _note(self, data: bytes) -> None:
        try:
            event = _decoder.decode(data)
        except Exception:  # noqa: BLE001 - an event of a later version, or anything: it may have changed anything
            self._forget_all()
            return
        self.note_change(tags_of(event.kind, event.project, (event.ref, event.old_ref), (event.sha1, event.old_sha1)))

    def note_change(self, tags: Collection[Tag]) -> None:
        """Take `tags` as changed just now."""
        self._now += 1
        for tag in tags:
            self._changed[tag] = self._now
            self._changed.move_to_end(tag)
        while len(self._changed) > REMEMBERED:
            self._forgotten = max(self._forgotten, self._changed.popitem(last=False)[1])
        self._wake(tag for tag in tags if tag in self._waiting)
        for callback in self._callbacks:
            callback(tags)

    def _forget_all(self) -> None:
        self._now += 1
        self._forgotten = self._now
        self._changed.clear()
        self._wake(self._waiting)
        for callback in self._callbacks:
            callback(None)

    def _wake(self, tags: Iterable[Tag]) -> None:
        for changed in {changed for tag in tags for changed in self._waiting[tag] if not changed.done()}:
            changed.set_result(None)
