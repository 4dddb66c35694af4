"""The only room that imports redis: bytes of the store to and from the registry's Structs."""

from functools import partial
from typing import Any

from redis.asyncio import Redis

from shaman.config import Config
from shaman.distros import Releases
from shaman.store import keys
from shaman.store.batches import Batches, RoundTrips
from shaman.store.build_scripts import BuildScripts
from shaman.store.builds import Builds
from shaman.store.checking import Checking
from shaman.store.connection import ask, connect, listening
from shaman.store.documents import text_of
from shaman.store.feed import Feed
from shaman.store.finding import Finding
from shaman.store.letters import Letters
from shaman.store.node_scripts import NodeScripts
from shaman.store.nodes import Nodes
from shaman.store.recent import Recent
from shaman.store.removal_scripts import RemovalScripts
from shaman.store.removals import Removals
from shaman.store.repos import Repos
from shaman.store.restores import Restores
from shaman.store.rights import Rights
from shaman.store.schema import Schema
from shaman.store.scripts import Scripts
from shaman.store.snapshots import Snapshots
from shaman.store.streams import Streams
from shaman.store.wakeups import Wakeups


class Store:
    """Everything the registry keeps, by resource."""

    def __init__(self, client: Redis, config: Config, releases: Releases) -> None:
        """Use `client`; nothing is sent before the first question."""
        self._client = client
        self.round_trips = RoundTrips()
        batches = Batches(client, round_trips=self.round_trips)
        replicas = config.redis.replicas_to_ack
        writes = Batches(client, replicas, self.round_trips) if replicas else batches
        scripts = Scripts(client, batches, writes)
        self._listening = listening(client)
        self.schema = Schema(client)
        self.wakeups = Wakeups(self._listening)
        self.repos = Repos(client, batches, writes, scripts, releases, self.wakeups)
        build_scripts = BuildScripts(client, batches, writes)
        self.builds = Builds(client, batches, writes, scripts, build_scripts, releases, self.wakeups)
        self.nodes = Nodes(client, NodeScripts(client, batches, writes), config.chacra_nodes, self.wakeups)
        self.rights = Rights(client, batches, self.schema)
        self.removals = Removals(
            client, RemovalScripts(client, batches), scripts, self.repos, self.builds, self.wakeups
        )
        self.restores = Restores(client, scripts, build_scripts, self.nodes)
        self.snapshots = Snapshots(client, scripts)
        self.recent = Recent(client, batches)
        self.finding = Finding(client, self.repos, releases)
        self.checking = Checking(client, batches)
        self.letters = Letters(batches)
        self.feed = Feed(Streams(batches, releases), self.wakeups)

    async def projects(self) -> list[str]:
        """List the names of all projects that have ever had a record, in no order."""
        names: Any = await ask(partial(self._client.smembers, keys.PROJECTS))
        return [text_of(name) for name in names]

    async def ping(self) -> None:
        """Raise Unavailable unless the store answers and can be written to; every node of a cluster must answer."""

        async def probe() -> None:
            await self._client.ping()
            # Nothing is written, but refused wherever a write would be: by a replica, a full store, a broken cluster.
            await self._client.setrange(keys.PROBE, 0, "")

        await ask(probe)

    async def close(self) -> None:
        """Close every connection."""
        await self.feed.close()
        await self._listening.aclose()
        await self._client.aclose()


def open_store(url: str, config: Config, releases: Releases) -> Store:
    """Return the store at `url`; its connections are made when they are needed."""
    return Store(connect(url, config.redis.connections), config, releases)


def ephemeral_store(config: Config, releases: Releases) -> Store:
    """Return a store inside this process, empty, gone with it. Needs the `ephemeral` extra."""
    from fakeredis import FakeAsyncRedis, FakeServer  # noqa: PLC0415 - an extra, only needed here

    return Store(FakeAsyncRedis(server=FakeServer()), config, releases)
