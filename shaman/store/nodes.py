"""The pool of storage nodes: those of the configuration, in its order, then those that have registered themselves."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from shaman.config import host_of
from shaman.errors import Invalid, NotFound, Unavailable
from shaman.models import Health, Node
from shaman.store import keys
from shaman.store.connection import ask
from shaman.store.documents import Documents, damaged, text_of
from shaman.store.node_scripts import NodeRow, NodeScripts, NodeSwap
from shaman.store.wakeups import Wakeups

WRITE_ATTEMPTS = 16
"""How often a write is tried while others write the same node; a check and a registration or two may meet."""

_encoder = msgspec.json.Encoder()
_decoder = Documents(Health)


class NodeChange(Struct, frozen=True, kw_only=True):
    """An entry of the change stream: a node came into the pool, went up or down, or was taken out."""

    kind: Literal["node"] = "node"
    host: str
    status: Literal["up", "down", "deleted"]
    modified: int | None


class Pool(Struct, frozen=True, kw_only=True):
    """The nodes in the order of their turns, and the store's clock as it read them."""

    now: int
    nodes: Sequence[Node]


class Nodes:
    """The nodes that builders upload to. A node is its host, or host:port."""

    def __init__(self, client: Redis, scripts: NodeScripts, urls: tuple[str, ...], wakeups: Wakeups) -> None:
        """Have the nodes at `urls` in the pool, whatever the store knows; tell `wakeups` of what is written."""
        self._wakeups = wakeups
        self._client = client
        self._scripts = scripts
        self._urls = {host_of(url): url for url in urls}

    def url(self, host: str) -> str:
        """Return where a node is: as the configuration has it, else by https at the root of the host."""
        return self._urls.get(host, f"https://{host}")

    async def find(self) -> Pool:
        """Read the whole pool, with the nodes that are down."""
        now, rows = await self._scripts.find_nodes(tuple(self._urls))
        return Pool(now=now, nodes=[self._node(row) for row in rows])

    async def get(self, host: str) -> Node:
        """Return the node. Raises NotFound if it is not in the pool."""
        for node in (await self.find()).nodes:
            if node.host == host:
                return node
        raise NotFound(f"no such node: {host}")

    async def take(self, *, peek: bool = False) -> str | None:
        """Return the URL whose turn it is, None if no node is up; with `peek` the turn stays.

        Any N successive calls of all processes take each of the N nodes that are up once.
        """
        host = await self._scripts.take_node(tuple(self._urls), peek=peek)
        return self.url(host) if host else None

    async def put(self, host: str, change: Callable[[Health], Health | None], registered: int | None = None) -> None:
        """Write what `change` makes of what is known of a node; nothing if that is None.

        `registered` is the time at which the node registers itself. `change` runs again if others write meanwhile.
        """
        for _ in range(WRITE_ATTEMPTS):
            document: Any = await ask(lambda: self._client.hget(keys.NODE_FACTS, host)) or b""
            old = _decoder.decode(document) if document else Health()
            new = change(old)
            if new is None and registered is None:
                return
            swap = _swap(host, document, new or old, registered, configured=host in self._urls)
            with self._wakeups.writing([("node",)]):
                if await self._scripts.swap_node(host, swap):
                    return
        raise Unavailable(f"the node is being written by too many at once: {host}")

    async def delete(self, host: str) -> None:
        """Take a node out of the pool. Raises NotFound if it has not registered, Invalid if the configuration has it.

        Not repeated, as what was done by then would be NotFound.
        """
        if host in self._urls:
            raise Invalid(f"host: {host} is in chacra_nodes of config.toml, and leaves the pool when it leaves that")
        event = _encoder.encode(NodeChange(host=host, status="deleted", modified=None))
        with self._wakeups.writing([("node",)]):
            if not await self._scripts.remove_node(host, event):
                raise NotFound(f"no such node: {host}")

    def _node(self, row: NodeRow) -> Node:
        host = text_of(row.host)
        if row.used and not row.used.isdigit():
            raise damaged(f"{keys.NODES_USED} has no time of {host}")
        return Node(
            host=host,
            url=self.url(host),
            health=_decoder.decode(row.document) if row.document else Health(),
            last_used=int(row.used) if row.used else None,
            registered=bool(row.registered),
        )


def _swap(host: str, document: bytes, health: Health, registered: int | None, *, configured: bool) -> NodeSwap:
    status: Literal["up", "down"] = "up" if health.healthy else "down"
    change = NodeChange(host=host, status=status, modified=health.last_check)
    return NodeSwap(
        old_document=document,
        document=_encoder.encode(health),
        status=status,
        registered=registered,
        event=_encoder.encode(change),
        configured=configured,
    )
