"""One process of the service in this one: an application on connections of its own, which are counted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from redis.asyncio import Redis

from shaman.app import create_app
from shaman.store import Store, keys
from shaman.store.cluster import Cluster
from shaman.store.connection import connect
from shaman.tasks import end_task
from tests.backends import admin_url
from tests.conftest import CONFIG, RELEASES, basic
from tests.store.trips import trips_of

WRITER = basic("builder", "secret")

REPO = {
    "distro": "ubuntu",
    "distro_version": "jammy",
    "ref": "main",
    "sha1": "a0",
    "url": "https://chacra.ceph.com/r/ceph/main/",
    "arch": "x86_64",
}


class Worker:
    """One process of the service, as far as the cache is concerned: an application with connections of its own."""

    def __init__(self, store: Store) -> None:
        """Serve `store`."""
        self.store = store
        self.app = create_app(CONFIG, store, RELEASES)
        transport = httpx.ASGITransport(app=self.app.asgi_app)  # type: ignore[arg-type]
        self.http = httpx.AsyncClient(transport=transport, base_url="http://shaman")
        # Whether the store was asked is what the tests are about.
        self._trips = trips_of(store._client)  # noqa: SLF001

    @property
    def trips(self) -> int:
        """How often the store was asked so far."""
        return len(self._trips)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a path."""
        return await self.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def keep(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a path twice, as what is asked for once is not kept."""
        await self.get(path, **headers)
        return await self.get(path, **headers)

    async def asked_for(self, path: str, **headers: str) -> int:
        """Return how many round trips an answer costs."""
        before = self.trips
        assert (await self.get(path, **headers)).status_code in {200, 302, 304}
        return self.trips - before

    async def settle(self) -> None:
        """Wait until every wake-up so far has come: those of a channel come in order."""
        heard: list[Any] = []
        self.store.wakeups.on_change(lambda tags: heard.extend(tags or ()))
        await self.store._client.publish(keys.CHANNEL, b'{"kind":"settled"}')  # noqa: SLF001 - nobody else would
        await until(lambda: ("settled",) in heard)

    async def post(self, **changes: Any) -> httpx.Response:
        """Post a repo that must be taken."""
        body = REPO | changes
        names = (body[name] for name in ("ref", "sha1", "flavor") if name in body)
        body |= {"chacra_url": f"https://chacra.ceph.com/repos/{'/'.join(names)}/"}
        response = await self.http.post("/repos/ceph/", json=body, headers=WRITER)
        assert response.status_code in {200, 201}, response.text
        return response


@contextlib.asynccontextmanager
async def working(client: Redis) -> AsyncIterator[Worker]:
    """Run a worker that hears every change."""
    store = Store(client, CONFIG, RELEASES)
    listening = asyncio.create_task(store.wakeups.listen())
    try:
        await until(store.wakeups.trusted)
        yield Worker(store)
    finally:
        await end_task(listening)
        await client.aclose()


async def until(happened: Any) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - nothing in the service tells a test
            await asyncio.sleep(0.001)


async def cut(worker: Worker) -> None:
    """Cut the connections that wake-ups come on, of all workers."""
    await worker.store._client.client_kill_filter(_type="pubsub")  # noqa: SLF001 - only an administrator can


async def cut_all(url: str) -> None:
    """Cut the connections that wake-ups come on, at every node of a cluster."""
    async with connect(admin_url(url), 1) as admin:
        await admin.ping()  # so that a client of a cluster knows the nodes
        nodes = (
            [Redis(host=host, port=port) for host, port in admin.addresses] if isinstance(admin, Cluster) else [admin]
        )
        for node in nodes:
            for client in await node.client_list(_type="pubsub"):
                if not client["name"].startswith("sentinel-"):  # one that is cut off takes its master for dead
                    await node.client_kill_filter(_id=client["id"])
            await node.aclose()
