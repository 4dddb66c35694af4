"""What the store keeps for the webhooks: how far each has been told, and the letters that could not be delivered."""

from collections.abc import Collection
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct

from shaman.store import keys
from shaman.store.batches import Batches
from shaman.store.connection import ask

DEAD_LENGTH = 1000
"""Dead letters that are kept, the newest: under a megabyte."""


class Letter(Struct, frozen=True, kw_only=True):
    """A delivery that was given up: to whom, its id, what it said, and why. Without a kind it tells what was lost."""

    webhook: str
    delivery: str
    why: str
    tries: int
    kind: str | None = None
    data: Raw = Raw(b"null")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Letter)


class Letters:
    """The cursors of the webhooks, and the dead letters. Each method raises Unavailable if the store is away."""

    def __init__(self, batches: Batches) -> None:
        """Ask in `batches`: who asks can be cancelled at any moment, and no connection breaks."""
        self._batches = batches

    async def cursor(self, name: str) -> str | None:
        """Return the cursor behind what a webhook has been told; None of a new one."""
        text: Any = await ask(partial(self._batches.call, "HGET", keys.WEBHOOK_CURSORS, name))
        return text.decode() if text else None

    async def save(self, name: str, cursor: str) -> None:
        """Note that a webhook has been told everything up to `cursor`."""
        await ask(partial(self._batches.call, "HSET", keys.WEBHOOK_CURSORS, name, cursor))

    async def forget(self, names: Collection[str]) -> None:
        """Forget all webhooks but those of these names: should one come back, it begins anew."""
        known: Any = await ask(partial(self._batches.call, "HKEYS", keys.WEBHOOK_CURSORS))
        gone = [name for name in known if name.decode() not in names]
        if gone:
            await ask(partial(self._batches.call, "HDEL", keys.WEBHOOK_CURSORS, *gone))

    async def bury(self, letter: Letter) -> None:
        """Add a dead letter."""
        entry = ("MAXLEN", "~", DEAD_LENGTH, "*", "letter", _encoder.encode(letter))
        await ask(partial(self._batches.call, "XADD", keys.DEAD_LETTERS, *entry))

    async def dead(self) -> list[tuple[str, Letter]]:
        """List the dead letters, oldest first, each with its id."""
        rows: Any = await ask(partial(self._batches.call, "XRANGE", keys.DEAD_LETTERS, "-", "+"))
        return [(name.decode(), _decoder.decode(fields[b"letter"])) for name, fields in rows]

    async def drop(self, numbers: Collection[str]) -> None:
        """Remove dead letters."""
        if numbers:
            await ask(partial(self._batches.call, "XDEL", keys.DEAD_LETTERS, *numbers))
