"""Writers of one record take turns inside a process.

A write reads the record and puts another in its place, if it is still the one it has read. Of many that do so at once
one gets through and all others read again. Those of one process need not: they wait for each other.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from shaman.errors import Unavailable
from shaman.store.connection import ANSWER_WAIT


class Turns:
    """Who may write which record."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, record: Hashable) -> AsyncIterator[None]:
        """Wait for all who came before, then write. Raises Unavailable if waiting and writing take too long."""
        lock = self._locks.get(record)
        if lock is None:
            lock = self._locks[record] = asyncio.Lock()
        try:
            async with asyncio.timeout(ANSWER_WAIT), lock:
                yield
        except TimeoutError as error:
            raise Unavailable("the store, or others who write the same record, take too long") from error
