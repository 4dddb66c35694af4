"""A typed function for each Lua file about nodes: KEYS and ARGV follow its header there."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from msgspec import Struct
from redis.asyncio import Redis

from shaman.store import keys
from shaman.store.batches import Batches, Script
from shaman.store.connection import ask
from shaman.store.documents import text_of
from shaman.store.scripts import STREAM_LENGTH


class NodeRow(NamedTuple):
    """A node as a script tells it: b"" where nothing is known."""

    host: bytes
    document: bytes
    used: bytes
    registered: int


class NodeSwap(Struct, frozen=True, kw_only=True):
    """One write of what is known of a node; `registered` is the time of a registration."""

    old_document: bytes
    document: bytes
    status: Literal["up", "down"]
    registered: int | None
    event: bytes
    configured: bool


class NodeScripts:
    """The scripts, registered once with a client."""

    def __init__(self, client: Redis, batches: Batches, writes: Batches) -> None:
        """Register every script with `client`, and call it in `batches`, or in `writes` if that is what it does."""
        self._find_nodes = Script(client, batches, "find_nodes")
        self._take_node = Script(client, batches, "take_node")
        self._swap_node = Script(client, writes, "swap_node")
        self._remove_node = Script(client, writes, "remove_node")

    async def find_nodes(self, configured: Sequence[str]) -> tuple[int, list[NodeRow]]:
        """Read the clock and the pool, in order."""
        names = [keys.NODES_KNOWN, keys.NODE_FACTS, keys.NODES_USED]
        seconds, micros, *flat = await ask(partial(self._find_nodes, names, configured))
        rows = [NodeRow(*flat[first : first + 4]) for first in range(0, len(flat), 4)]
        return int(seconds) * 1_000_000 + int(micros), rows

    async def take_node(self, configured: Sequence[str], *, peek: bool) -> str:
        """Take the node whose turn it is, or only look; "" if none is up. Not repeated: a turn must not be lost."""
        names = [keys.NODE_TURN, keys.NODES_KNOWN, keys.NODES_DOWN, keys.NODES_USED]
        arguments = ["peek" if peek else "take", *configured]
        host: bytes = await ask(partial(self._take_node, names, arguments), repeat=peek)
        return text_of(host)

    async def swap_node(self, host: str, swap: NodeSwap) -> bool:
        """Write what a check found; False: read it again."""
        names = [keys.NODE_FACTS, keys.NODES_KNOWN, keys.NODES_DOWN, keys.NODE_CHANGES]
        registered = "" if swap.registered is None else swap.registered
        state = [swap.old_document, swap.document, swap.status, registered, swap.event]
        arguments = [host, *state, STREAM_LENGTH, keys.CHANNEL, int(swap.configured)]
        return bool(await ask(partial(self._swap_node, names, arguments)))

    async def remove_node(self, host: str, event: bytes) -> bool:
        """Take a registered node out of the pool; False if there is none."""
        names = [keys.NODE_FACTS, keys.NODES_KNOWN, keys.NODES_DOWN, keys.NODES_USED, keys.NODE_CHANGES]
        return bool(
            await ask(partial(self._remove_node, names, [host, event, STREAM_LENGTH, keys.CHANNEL]), repeat=False)
        )
