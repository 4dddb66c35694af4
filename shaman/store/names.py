"""Lists of names, newest first, of any length: short ones in one round trip, long ones in steps.

A list is read in steps so that the store serves others in between. What is renewed meanwhile goes to the front, so in
the end the front is read again; nothing else moves up.
"""

from collections.abc import Collection
from functools import partial
from typing import Any

from shaman.store.batches import Batches
from shaman.store.connection import ask
from shaman.store.wakeups import Tag

STEP = 4000
"""Names in one reply: about 1 ms of the store's time."""


async def newest_names(batches: Batches, key: str, reads: Collection[Tag]) -> list[str]:
    """List the members of a sorted set, the greatest score first. Raises Unavailable if the store is away."""
    names: list[bytes] = await ask(partial(batches.call, "ZREVRANGE", key, 0, STEP - 1), reads=reads)
    if len(names) == STEP:
        names = await _in_steps(batches, key, reads)
    return [name.decode() for name in names]


async def _in_steps(batches: Batches, key: str, reads: Collection[Tag]) -> list[bytes]:
    async def step(greatest: str, least: str, count: int) -> list[tuple[bytes, int]]:
        command = ("ZREVRANGEBYSCORE", key, greatest, least, "WITHSCORES", "LIMIT", 0, count)
        rows: list[Any] = await ask(partial(batches.call, *command), reads=reads)
        return [(name, int(score)) for name, score in rows]

    found: dict[bytes, int] = {}
    greatest, count = "+inf", STEP
    while True:
        rows = await step(greatest, "-inf", count)
        found |= {name: score for name, score in rows if name not in found}
        if len(rows) < count:
            break
        # Of one score there may be more than a step has, so each begins with the last one's; then it grows.
        last = str(rows[-1][1])
        greatest, count = last, count * 2 if last == greatest else STEP
    if found:
        renewed = await step("+inf", f"({max(found.values())}", len(found) + STEP)
        found |= dict(renewed)
    return sorted(found, key=lambda name: (found[name], name), reverse=True)
