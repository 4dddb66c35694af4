"""A client of a cluster: each command goes to the node that has its keys.

The keys of a project share a slot, and so a node; what has no key is asked of every node. The client of redis-py lets
one broken node fail the commands of a whole pipeline, has no queue for its connections, and loses its way when a slot
is on the move; this one sends every node its own pipeline, each through a bounded pool.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.client import Pipeline
from redis.crc import key_slot

from shaman.store.replicas import WAIT, acknowledged, wait_for

Address = tuple[str, int]
Command = tuple[tuple[Any, ...], Mapping[str, Any]]
"""Its words, and the options with which redis-py reads the answer."""

SLOTS = 16384
"""Of every cluster."""

REDIRECTIONS = 4
"""How often a command is sent on: a slot that moves costs one or two."""

MAP_WAIT = 0.4
"""Seconds a node may take to tell who has which slots; then another is asked, and a request ends within 2."""

KEYLESS = {"CLUSTER", "CONFIG", "DBSIZE", "FLUSHALL", "INFO", "KEYS", "PING", "SCRIPT"}
"""Commands without a key, among those that are used."""

_BROKEN = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ClusterDownError, exceptions.ReadOnlyError)
"""What a node answers, or does not, when another may have taken its place."""


class Cluster(Redis):
    """Looks like a client of one server."""

    def __init__(self, addresses: Sequence[Address], settings: Mapping[str, Any]) -> None:
        """Know some nodes by their addresses, and the settings of the pool for each; nothing is sent yet."""
        self._seeds = list(addresses)
        self._settings = settings
        self._nodes: dict[Address, Redis] = {}
        self._masters: list[Address | None] = [None] * SLOTS
        self._stale = True
        self._looking = asyncio.Lock()
        super().__init__(connection_pool=self._node(self._seeds[0]).connection_pool)

    @property
    def addresses(self) -> list[Address]:
        """Every node that is known, in no order."""
        known = list(dict.fromkeys([*self._nodes, *self._seeds]))
        return random.sample(known, len(known))

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """Send a command to the node of its first key, or to every node; lists of all nodes are joined."""
        slot = slot_of(arguments)
        if slot is not None:
            (answer,) = await self.send([(arguments, options)], set())
            if isinstance(answer, Exception):
                raise answer
            return answer
        await self._look_around()
        masters = sorted({master for master in self._masters if master})
        calls = (self._send_keyless(address, arguments, options) for address in masters)
        answers = await asyncio.gather(*calls)
        return [item for answer in answers for item in answer] if isinstance(answers[0], list) else answers[0]

    def pipeline(self, transaction: bool = False, shard_hint: str | None = None) -> "ClusterPipeline":  # noqa: FBT001, FBT002 - as its parent has it
        """Return a pipeline in which every command is answered, or fails, by itself."""
        if transaction:
            raise ValueError("there are no transactions here")
        return ClusterPipeline(self, shard_hint)

    async def send(self, commands: Sequence[Command], scripts: set[Any]) -> list[Any]:
        """Send commands with keys, those of one node together; the answer or the error of each, in their order.

        A WAIT behind them is asked of every node that they go to, for its own.
        """
        if commands and commands[-1][0][0] == WAIT:
            (_, replicas, _), _ = commands[-1]
            return [*await self._send_all(commands[:-1], scripts, replicas), replicas]
        return await self._send_all(commands, scripts, 0)

    async def _send_all(self, commands: Sequence[Command], scripts: set[Any], replicas: int) -> list[Any]:
        await self._look_around()
        places: dict[Address, list[int]] = {}
        answers: list[Any] = [exceptions.ClusterDownError("nobody has the slot")] * len(commands)
        for number, (arguments, _) in enumerate(commands):
            master = self._masters[slot_of(arguments) or 0]
            if master:
                places.setdefault(master, []).append(number)
            else:
                self._stale = True

        async def send_some(address: Address, numbers: list[int]) -> None:
            some = [commands[number] for number in numbers]
            for number, answer in zip(numbers, await self._send_to(address, some, scripts, replicas), strict=True):
                answers[number] = await self._followed(commands[number], answer, replicas)

        await asyncio.gather(*(send_some(address, numbers) for address, numbers in places.items()))
        return answers

    async def scan_iter(  # type: ignore[override]
        self, match: Any = None, count: int | None = None, *_: Any, **__: Any
    ) -> AsyncIterator[Any]:
        """Yield the keys of every node that match, one node after the other."""
        await self._look_around()
        for address in sorted({master for master in self._masters if master}):
            async for name in self._node(address).scan_iter(match=match, count=count):
                yield name

    def listening(self, own: Mapping[str, Any]) -> Redis:
        """Return a client of any node that lives, with settings of its own for its only connection."""
        settings = {**self._settings, **own, "cluster": self}
        encrypted = settings.pop("connection_class", None) is SSLConnection
        del settings["timeout"]
        return Redis.from_pool(ConnectionPool(AnyNodeByTLS if encrypted else AnyNode, **settings))

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002, FBT001 - as its parent
        """Close every connection."""
        await self._close(list(self._nodes))

    async def _send_keyless(self, address: Address, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        (answer,) = await self._send_to(address, [(arguments, options)], set())
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _send_to(
        self, address: Address, commands: Sequence[Command], scripts: set[Any], replicas: int = 0
    ) -> list[Any]:
        pipeline = self._node(address).pipeline(transaction=False)
        pipeline.scripts = set(scripts)
        for arguments, options in commands:
            pipeline.execute_command(*arguments, **options)
        if replicas:
            pipeline.execute_command(*wait_for(replicas))
        try:
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            answers = acknowledged(answers, replicas) if replicas else answers
        except (exceptions.RedisError, OSError) as error:
            answers = [error] * len(commands)
        except asyncio.CancelledError:  # whoever waits has lost patience, so the node may be gone
            self._stale = True
            raise
        self._stale = self._stale or any(isinstance(answer, _BROKEN) for answer in answers)
        return answers

    async def _followed(self, command: Command, answer: Any, replicas: int) -> Any:
        """Return the answer of the node that a redirection names: the one that redirects has not run the command."""
        for _ in range(REDIRECTIONS):
            if isinstance(answer, exceptions.MovedError):
                self._masters[answer.slot_id] = answer.node_addr
                (answer,) = await self._send_to(answer.node_addr, [command], set(), replicas)
            elif isinstance(answer, exceptions.AskError):
                asking: Command = (("ASKING",), {})
                _, answer = await self._send_to(answer.node_addr, [asking, command], set(), replicas)
            else:
                break
        return answer

    async def _look_around(self) -> None:
        """Ask any node who has which slots, if the last answer may be outdated."""
        async with self._looking:
            if not self._stale:
                return
            reason: Exception | None = None
            for address in self.addresses:
                try:
                    async with asyncio.timeout(MAP_WAIT):
                        rows = await self._node(address).execute_command("CLUSTER SLOTS")
                except (exceptions.RedisError, TimeoutError, OSError) as error:
                    reason = error
                    continue
                if rows:  # a node that has just started knows nothing yet
                    await self._take_map(address, rows)
                    return
            raise exceptions.ConnectionError("no node tells where what is in the cluster") from reason

    async def _take_map(self, teller: Address, rows: Any) -> None:
        masters: list[Address | None] = [None] * SLOTS
        known = set()
        for first, last, master, *replicas in rows:
            addresses = [_address(teller, node) for node in (master, *replicas)]
            known.update(addresses)
            masters[first : last + 1] = [addresses[0]] * (last - first + 1)
        self._masters, self._stale = masters, False
        await self._close([address for address in self._nodes if address not in known])

    def _node(self, address: Address) -> Redis:
        if address not in self._nodes:
            host, port = address
            pool = BlockingConnectionPool(host=host, port=port, **self._settings)
            self._nodes[address] = Redis.from_pool(pool)
        return self._nodes[address]

    async def _close(self, addresses: Sequence[Address]) -> None:
        for address in addresses:
            await self._nodes.pop(address).aclose()


class ClusterPipeline(Pipeline):
    """Looks like a pipeline to one server."""

    def __init__(self, cluster: Cluster, shard_hint: str | None) -> None:
        """Send nothing before `execute`."""
        super().__init__(cluster.connection_pool, cluster.response_callbacks, False, shard_hint)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - as its parent has it
        """Return the answer of each command, or its error; raise the first error if so asked."""
        answers = await self._cluster.send(self.command_stack, self.scripts)
        await self.reset()  # type: ignore[no-untyped-call]
        for answer in answers:
            if raise_on_error and isinstance(answer, Exception):
                raise answer
        return answers


class AnyNode(Connection):
    """A connection to any node of a cluster that lives, another one each time: all of them tell every message."""

    def __init__(self, *, cluster: Cluster, **settings: Any) -> None:
        """Choose when connecting."""
        super().__init__(**settings)
        self._cluster = cluster

    async def connect(self) -> None:
        """Connect to the first of the known nodes that lets itself be connected to."""
        if self.is_connected:
            return
        error: Exception = exceptions.ConnectionError("no node of the cluster answers")
        for address in self._cluster.addresses:
            self.host, self.port = address
            try:
                await super().connect()  # type: ignore[no-untyped-call]
            except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as failure:
                error = failure
            else:
                return
        raise error


class AnyNodeByTLS(AnyNode, SSLConnection):
    """The same, encrypted."""


def slot_of(arguments: Sequence[Any]) -> int | None:
    """Return the slot of the first key of a command, None if it has none; all keys of one are in one slot."""
    name = arguments[0].split()[0]
    if name in KEYLESS:
        return None
    key = arguments[3] if name in {"EVAL", "EVALSHA"} else arguments[1]
    return key_slot(key if isinstance(key, bytes) else str(key).encode())


def _address(teller: Address, node: Sequence[Any]) -> Address:
    """Return where a node is; one that does not know its own name is where it was asked."""
    host = node[0].decode() if isinstance(node[0], bytes) else node[0]
    return host or teller[0], node[1]
