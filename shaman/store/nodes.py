"""The pool of storage nodes and their rotation."""

from redis.asyncio import Redis

from shaman.errors import Unavailable
from shaman.store import keys
from shaman.store.connection import ask


class Nodes:
    """The nodes that builders upload to, in the order of the configuration."""

    def __init__(self, client: Redis, urls: tuple[str, ...]) -> None:
        """Hand out `urls`."""
        self._client = client
        self._urls = urls

    def find(self) -> list[str]:
        """List the URLs in the pool, in order."""
        return list(self._urls)

    async def take(self) -> str:
        """Return the URL whose turn it is: any N successive calls of all processes take each of N nodes once.

        Raises Unavailable if the pool is empty or the store is away. Not repeated: a turn must not be lost.
        """
        if not self._urls:
            raise Unavailable("no chacra node is in the pool")
        turn: int = await ask(lambda: self._client.incr(keys.NODE_TURN), repeat=False)
        return self._urls[(turn - 1) % len(self._urls)]
