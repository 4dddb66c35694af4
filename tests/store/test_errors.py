"""What each error of a real store becomes: success after one retry, or 503 with nothing written."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from redis import ConnectionError as BrokenError
from redis.crc import key_slot

from shaman.store import Store, keys
from shaman.store.batches import Batches
from shaman.store.connection import connect
from tests import backends
from tests.backends import Server, eventually
from tests.conftest import CONFIG, RELEASES, basic, served
from tests.store.audit import audit

REPO = {"ref": "main", "sha1": "a0", "distro": "ubuntu", "distro_version": "noble", "arch": "x86_64"}
URLS = {"url": "https://1.example.org/r/", "chacra_url": "https://1.example.org/repos/"}


@pytest.fixture
def server() -> Iterator[Server]:
    """Start a server that a test may break."""
    with backends.server() as started:
        yield started


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the store at `url` with few connections; a client that waits no longer than is promised."""
    async with served(Store(connect(url, 4), CONFIG, RELEASES)) as address:
        headers = basic("builder", "secret")
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=3) as client:
            yield client


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of a service that has one record; afterwards every index is right."""
    async with client_of(server.url) as client:
        assert (await post(client, "before")).status_code == 201
        yield client
    admin = connect(server.url, 1)
    await audit(admin)
    await admin.aclose()


async def post(client: httpx.AsyncClient, project: str) -> httpx.Response:
    """Add a repo, or write it again with another sha1."""
    return await client.post(f"/repos/{project}/", json=REPO | URLS)


async def is_refused(client: httpx.AsyncClient) -> None:
    """Assert that writes of both dialects are 503 in the shape of each, and that the service says it is not well."""
    native = await post(client, "refused")
    assert (native.status_code, native.headers["Retry-After"]) == (503, "1")
    assert native.headers["Content-Type"] == "application/problem+json"
    build = {"ref": "main", "sha1": "a0", "status": "queued", "url": "https://ci.example.org/1/"}
    other = await client.post("/api/builds/refused/", json=build)
    assert (other.status_code, other.headers["Retry-After"]) == (503, "1")
    assert other.text.startswith("# 503 Service Unavailable\n")
    assert (await client.get("/_health/")).status_code == 500


async def works(client: httpx.AsyncClient, *, nothing_left: bool = True) -> None:
    """Assert that the first request succeeds, and that nothing of the refused ones is there."""
    answer = await post(client, "after")
    assert answer.status_code == 201, answer.text
    assert (await client.get("/_health/")).status_code == 204
    if nothing_left:
        assert (await client.get("/repos/refused/")).status_code == 404
        assert (await client.get("/api/builds/refused/")).status_code == 404


async def test_killed_and_back(server: Server, client: httpx.AsyncClient) -> None:
    """A store that is gone refuses connections; when it is back, the next request succeeds."""
    server.signal(signal.SIGKILL)
    await is_refused(client)
    server.embedded.start()
    await works(client)


async def test_hanging(server: Server, client: httpx.AsyncClient) -> None:
    """A store that says nothing does not keep anybody; what it was sent it may still do, all of it."""
    server.signal(signal.SIGSTOP)
    try:
        await is_refused(client)
    finally:
        server.signal(signal.SIGCONT)
    await works(client, nothing_left=False)


async def test_readonly(server: Server, client: httpx.AsyncClient) -> None:
    """A master that has become a replica takes no writes."""
    server.admin.execute_command("REPLICAOF", "127.0.0.1", backends.free_port())
    await is_refused(client)
    server.admin.execute_command("REPLICAOF", "NO", "ONE")
    await works(client)


async def test_out_of_memory(server: Server, client: httpx.AsyncClient) -> None:
    """A full store takes no writes and answers questions."""
    server.admin.config_set("maxmemory", 1)
    await is_refused(client)
    assert (await client.get("/repos/before/main/")).json() == ["a0"]
    server.admin.config_set("maxmemory", 0)
    await works(client)


async def test_too_few_replicas(server: Server, client: httpx.AsyncClient) -> None:
    """A master that is told to have replicas takes no writes without."""
    server.admin.config_set("min-replicas-to-write", 1)
    await is_refused(client)
    assert (await client.get("/repos/before/main/")).json() == ["a0"]
    server.admin.config_set("min-replicas-to-write", 0)
    await works(client)


async def test_a_broken_disk(server: Server, client: httpx.AsyncClient) -> None:
    """A store that cannot save its data takes no writes until it can."""
    server.admin.config_set("save", "3600 1000000")
    in_the_way = server.embedded.data_dir / "dump.rdb"
    in_the_way.mkdir()

    def saved() -> Callable[[], object]:
        server.admin.bgsave()
        return lambda: not server.admin.info("persistence")["rdb_bgsave_in_progress"]

    eventually(saved())
    await is_refused(client)
    in_the_way.rmdir()
    eventually(saved())
    await works(client)


async def test_loading(server: Server) -> None:
    """A store that reads its data after a start refuses everything, and then nothing."""
    async with client_of(server.url) as client:
        assert (await post(client, "before")).status_code == 201
        server.admin.execute_command("EVAL", "for i = 1, 40000 do redis.call('SET', 'filler' .. i, i) end", 0)
        server.embedded.stop()
        with backends.slowly_loading(server) as admin:
            await asyncio.to_thread(eventually, lambda: backends.is_loading(admin))
            await is_refused(client)
            await asyncio.to_thread(eventually, admin.ping)
            await works(client)


async def test_too_many_clients(server: Server, client: httpx.AsyncClient) -> None:
    """A store that takes no more connections is away; it is back when it does."""
    server.admin.config_set("maxclients", 1)
    for kind in ("normal", "pubsub"):
        server.admin.client_kill_filter(_type=kind, skipme=True)
    await is_refused(client)
    server.admin.config_set("maxclients", 1000)
    await works(client)


async def test_a_right_that_is_missing(server: Server) -> None:
    """What the user of the store may not do is an error of the store and not of the service."""
    server.admin.execute_command("ACL", "SETUSER", *backends.rights().split(), "-incr")
    async with client_of(f"redis://shaman:secret@127.0.0.1:{server.port}/0") as client:
        answer = await post(client, "refused")
        assert answer.status_code == 503
        server.admin.execute_command("ACL", "SETUSER", "shaman", "+incr")
        await works(client)


async def test_lost_scripts(server: Server, client: httpx.AsyncClient) -> None:
    """A store that has lost its scripts is told them in passing."""
    server.admin.script_flush()
    await works(client)


async def test_lost_scripts_of_a_cluster(nodes: list[Server], cluster_url: str) -> None:
    """Each node is told the scripts that it has lost, when a project of its own is asked for."""
    async with client_of(cluster_url) as client:
        for _ in range(2):
            for node in nodes:
                node.admin.script_flush()
            for number in range(9):
                assert (await post(client, f"p{number}")).status_code in {200, 201}
    await empty(cluster_url)


async def test_a_broken_node_fails_its_own_calls_only(nodes: list[Server], cluster_url: str) -> None:
    """Calls of one batch that go to other nodes are answered."""
    client = connect(cluster_url, 2)
    batches = Batches(client)
    names = [next(f"k{number}" for number in range(99) if node_of(f"k{number}") == place) for place in range(3)]
    assert await asyncio.gather(*(batches.call("GET", name) for name in names)) == [None] * 3
    nodes[1].signal(signal.SIGKILL)
    calls = (batches.call("GET", name) for name in names)
    one, broken, other = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(broken, BrokenError)
    assert (one, other) == (None, None)
    nodes[1].embedded.start()
    await asyncio.to_thread(eventually, lambda: all(backends.is_whole(node) for node in nodes))
    assert await asyncio.gather(*(batches.call("GET", name) for name in names)) == [None] * 3
    await client.aclose()


async def test_a_slot_on_the_move(nodes: list[Server], cluster_url: str) -> None:
    """Requests follow a project to another node, before and after it moves; while it does, writes are refused."""
    async with client_of(cluster_url) as client:
        slot, number = key_slot(keys.refs("moving").encode()), node_of(keys.refs("moving"))
        source, target = nodes[number], nodes[number - 1]
        names = [str(node.admin.execute_command("CLUSTER MYID"), "ascii") for node in (source, target)]
        target.admin.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[0])
        source.admin.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[1])
        assert (await client.get("/repos/moving/")).status_code == 404  # one key: ASK
        assert (await post(client, "moving")).status_code == 503  # many keys: TRYAGAIN
        admin = connect(cluster_url, 2)
        assert await admin.setnx("{moving}:one-key", "at the target")
        assert source.admin.execute_command("CLUSTER COUNTKEYSINSLOT", slot) == 0
        assert await admin.delete("{moving}:one-key") == 1
        for node in (target, source):
            node.admin.execute_command("CLUSTER SETSLOT", slot, "NODE", names[1])
        assert (await post(client, "moving")).status_code == 201  # MOVED
        assert (await client.post("/repos/moving/", json=REPO | URLS | {"sha1": "b1"})).status_code == 200
        assert (await client.get("/repos/moving/main/")).json() == ["b1"]
        await admin.aclose()
    await empty(cluster_url)


def node_of(key: str) -> int:
    """Return the number of the node that had a key at the beginning."""
    return key_slot(key.encode()) * 3 // 16384


async def empty(url: str) -> None:
    """Check every index of a store, and remove everything."""
    admin = connect(url, 2)
    await audit(admin)
    await admin.flushall()
    await admin.aclose()


async def test_a_node_of_a_cluster_is_missing(nodes: list[Server], cluster_url: str) -> None:
    """Without a node a cluster takes nothing; with it, the next request succeeds."""
    async with client_of(cluster_url) as client:
        nodes[2].signal(signal.SIGKILL)
        await is_refused(client)
        await asyncio.to_thread(eventually, lambda: not backends.is_whole(nodes[0]))
        await is_refused(client)
        nodes[2].embedded.start()
        await asyncio.to_thread(eventually, lambda: all(backends.is_whole(node) for node in nodes))
        await works(client)
        assert (await client.get("/repos/after/main/")).json() == ["a0"]


async def test_a_failover() -> None:
    """When a master is gone, requests and wake-ups follow the sentinels to the new one."""
    with backends.watched() as (old, new, url):
        store = Store(connect(url, 4), CONFIG, RELEASES)
        async with client_of(url) as client, served(store) as other, httpx.AsyncClient(base_url=other) as reader:
            assert (await post(client, "before")).status_code == 201
            assert (await reader.get("/repos/before/main/")).json() == ["a0"]
            await asyncio.to_thread(eventually, lambda: new.admin.hlen(keys.repos("before")))
            old.signal(signal.SIGKILL)
            await is_refused(client)
            await asyncio.to_thread(eventually, lambda: role(new) == "master")
            await asyncio.to_thread(eventually, lambda: new.admin.pubsub_numsub(keys.CHANNEL)[0][1] == 2)
            await works(client)
            assert (await reader.get("/repos/after/main/")).json() == ["a0"]


def role(server: Server) -> str:
    """Return what a server is to the others."""
    return str(server.admin.info("replication")["role"])


@pytest.mark.parametrize("kind", ["server", "cluster", "sentinel"])
async def test_connections_are_bounded(kind: str, request: pytest.FixtureRequest) -> None:
    """However many requests come, a process has so many connections to a server and one for wake-ups."""
    nodes: list[Server] = request.getfixturevalue("nodes") if kind == "cluster" else []
    servers = nodes or (list(request.getfixturevalue("watched")[:2]) if kind == "sentinel" else [])
    url = request.getfixturevalue("server").url if kind == "server" else request.getfixturevalue(f"{kind}_url")
    servers = servers or [request.getfixturevalue("server")]
    before = {server.port: count(server) for server in servers}
    async with client_of(url) as client:
        calls = [client.get(f"/api/search?project=p{number % 9}&ref=r{number}") for number in range(90)]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert all(count(server) - before[server.port] <= 5 for server in servers)
        assert any(count(server) > before[server.port] for server in servers)


def count(server: Server) -> int:
    """Count the connections by TCP that a server has of clients: replicas and sentinels have theirs too."""
    return len([each for each in server.admin.client_list() if ":0" not in each["addr"]])
