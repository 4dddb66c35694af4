"""Which form the keys of a store have, so that no version of shaman reads or writes a store that it does not know."""

from functools import partial
from typing import Any

from redis.asyncio import Redis

from shaman.errors import Unavailable, WrongSchema
from shaman.store import keys
from shaman.store.connection import ask

VERSION = 2
"""Of the tree in keys.py: goes up with each change of it that an older shaman would read or write wrongly."""

ALWAYS = [("schema",)]
"""Tags of what does not change while a process runs, so that nobody's answer depends on it."""

UNVERSIONED = 1
"""The version of a store that has records and tells none: it was made before there were versions."""


class Schema:
    """The version of a store's keys."""

    def __init__(self, client: Redis) -> None:
        """Ask nothing before `check`; `right` tells whether that was right once."""
        self._client = client
        self.right = False

    async def check(self) -> None:
        """Return if the store has the version that this shaman knows; an empty one gets it. Asks until it was so once.

        Raises WrongSchema naming both versions and what to do, Unavailable if the store is away.
        """
        if self.right:
            return
        told = await self._told()
        found = await self._untold() if told is None else told
        if found < VERSION:
            raise WrongSchema(f"{_named(found)}, and this shaman needs {VERSION}: stop all, and run `shaman reindex`")
        if told is None:
            try:
                await self.write()
            except Unavailable:  # a store that is full, or takes no writes: it can be read, and deletions make room
                return
        self.right = True

    async def read(self) -> int:
        """Return the version of the store. Raises WrongSchema if it is newer than this shaman, or no version."""
        told = await self._told()
        return await self._untold() if told is None else told

    async def _untold(self) -> int:
        return UNVERSIONED if await self._has_records() else VERSION

    async def _told(self) -> int | None:
        text: Any = await ask(partial(self._client.get, keys.SCHEMA), reads=ALWAYS)
        if text is None:
            return None
        if not text.isdigit():
            raise WrongSchema(f"{keys.SCHEMA} is {text.decode(errors='replace')!r}, which is no version")
        if int(text) > VERSION:
            raise WrongSchema(f"{_named(int(text))}, and this shaman knows {VERSION} at most: run a newer one")
        return int(text)

    async def write(self) -> None:
        """Note that the store has the version of this shaman."""
        await ask(partial(self._client.set, keys.SCHEMA, VERSION), reads=ALWAYS)
        self.right = True

    async def _has_records(self) -> bool:
        for name in (keys.PROJECTS, keys.NODES_KNOWN, keys.NODE_FACTS):  # one by one: a cluster has them apart
            if await ask(partial(self._client.exists, name), reads=ALWAYS):
                return True
        return False


def _named(version: int) -> str:
    return f"the store has keys of version {version} ({keys.SCHEMA})"
