"""Lists of names, newest first, of any length: short ones in one round trip, long ones in steps.

A list is read in steps so that the store serves others in between; when the project has changed meanwhile it is read
again, and after some attempts at once, however long that takes.
"""

from collections.abc import Collection
from functools import partial
from typing import Any

from shaman.store.batches import Batches
from shaman.store.connection import ask
from shaman.store.documents import text_of
from shaman.store.wakeups import Tag

STEP = 4000
"""Names in one reply: about 1 ms of the store's time."""

ATTEMPTS = 4
"""How often a list is read in steps; a busy project is written to every 50 ms, and a list of 40,000 takes 20."""


async def newest_names(batches: Batches, key: str, changes: str, reads: Collection[Tag]) -> list[str]:
    """List the members of a sorted set, the greatest score first; `changes` is the stream that tells of its changes.

    Raises Unavailable if the store is away.
    """

    async def read(first: int, last: int) -> list[bytes]:
        names: list[bytes] = await ask(partial(batches.call, "ZREVRANGE", key, first, last), reads=reads)
        return names

    async def last_change() -> Any:
        return await ask(partial(batches.call, "XREVRANGE", changes, "+", "-", "COUNT", 1), reads=reads)

    names = await read(0, STEP - 1)
    attempts = ATTEMPTS if len(names) == STEP else 0
    for _ in range(attempts):
        before, names, step = await last_change(), [], [b""] * STEP
        while len(step) == STEP:
            step = await read(len(names), len(names) + STEP - 1)
            names += step
        if await last_change() == before:
            break
    else:
        if attempts:
            names = await read(0, -1)
    return [text_of(name) for name in names]
