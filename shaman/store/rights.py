"""Rights that one process of the fleet has at a time, such as to check the nodes."""

from functools import partial

from redis.asyncio import Redis

from shaman.store.batches import Batches, Script
from shaman.store.connection import ask
from shaman.store.schema import Schema


class Rights:
    """Who may do what only one may do. A right runs out unless it is renewed, so that the dead hold none."""

    def __init__(self, client: Redis, batches: Batches, schema: Schema) -> None:
        """Register the script with `client`, and call it in `batches`."""
        self._schema = schema
        self._hold_right = Script(client, batches, "hold_right")

    async def hold(self, right: str, token: str, lease: float) -> float:
        """Take or renew `right`, a key of store/keys.py, for `lease` seconds.

        Returns 0.0, or the seconds another process has it for. Raises Unavailable if the store is away, WrongSchema if
        it is not to be written to: perhaps no request has come before this.
        """
        await self._schema.check()
        wait: int = await ask(partial(self._hold_right, [right], [token, int(lease * 1000)]))
        return wait / 1000
