"""`replicas_to_ack`: a write that is acknowledged is on a replica, too."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from soaking import processes
from soaking.builders import PROJECTS
from soaking.groups import cluster
from soaking.processes import Process

from shaman.config import RedisSettings
from shaman.errors import Unavailable
from shaman.models import PostedBuild, PostedRepo
from shaman.store import Store, keys, replicas
from shaman.store.connection import connect
from shaman.store.repos import Outcome, Pattern
from tests.backends import SERVERS, path_to
from tests.conftest import CONFIG, RELEASES, served
from tests.store.audit import audit
from tests.store.test_repos import RULES, posted
from tests.store.trips import trips_of

TO_ACK = replace(CONFIG, redis=RedisSettings(replicas_to_ack=1))
TOO_FEW = "only 0 of 1 replicas have the write in time: it may be there, and sending it again does no harm"
URL = "https://chacra.example.org/r/1"
REPO = posted(chacra_url=URL)
DELETION = PostedRepo(chacra_url=URL, status="deleted")
BUILD = PostedBuild(url="https://jenkins/1", ref="main", sha1="a1", status="started")


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a replica that stands still less time, as there are many waits for it here."""
    monkeypatch.setattr(replicas, "ACK_WAIT", 0.3)


@pytest.fixture(params=SERVERS, scope="module")
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, ...]]:
    """Start a server of each kind and a replica of it."""
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path_to(request.param))
        master = processes.store(folder / "master", "--repl-diskless-sync-delay", "0")
        replica = processes.store(folder / "replica", "--replicaof", "127.0.0.1", str(master.port))
    with master, replica:
        yield master, replica


@pytest.fixture
async def pair(servers: tuple[Process, Process]) -> AsyncIterator[tuple[Process, Process]]:
    """Return an empty server and its replica."""
    async with client_of(servers[0]) as client:
        await client.flushall()
        await linked(client)
        yield servers
        await audit(client)


@asynccontextmanager
async def client_of(server: Process) -> AsyncIterator[Redis]:
    """Return a client of a server, for a moment."""
    client = connect(f"redis://127.0.0.1:{server.port}", 8)
    try:
        yield client
    finally:
        await client.aclose()


async def linked(client: Redis) -> None:
    """Return when the server has a replica that follows."""
    async with asyncio.timeout(20):
        while True:
            async with client.pipeline(transaction=False) as pipeline:
                for command in (("SET", "linked", ""), ("DEL", "linked"), ("WAIT", 1, 1000)):
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute()
            if answers[-1]:
                return


@contextmanager
def stopped(process: Process) -> Iterator[None]:
    """Have a process stand still, connected as before."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


async def test_an_acknowledged_write_is_on_the_replica(pair: tuple[Process, Process]) -> None:
    """Each is there as soon as it is acknowledged, at no further round trip."""
    async with client_of(pair[0]) as client, client_of(pair[1]) as replica:
        store = Store(client, TO_ACK, RELEASES)
        await store.repos.put("ceph", posted(sha1="b0"), RULES)
        trips = trips_of(client)
        for number in range(100):
            _, repo = await store.repos.put("ceph", posted(sha1=f"a{number}"), RULES)
            assert repo
            assert await replica.hexists(keys.repos("ceph"), str(repo.id))
        assert trips == [["EVALSHA"], ["EVALSHA", "WAIT"]] * 100
        _, build = await store.builds.put("ceph", BUILD)
        assert await replica.hexists(keys.builds("ceph"), str(build.id))


async def test_what_no_replica_has_is_not_acknowledged(pair: tuple[Process, Process]) -> None:
    """Not at first, nor when it is repeated from anywhere and finds itself there; then the replica comes back."""
    async with client_of(pair[0]) as first, client_of(pair[0]) as other, client_of(pair[1]) as replica:
        stores = [Store(client, TO_ACK, RELEASES) for client in (first, other)]
        await stores[0].repos.put("ceph", posted(sha1="b0"), RULES)
        await stores[0].builds.put("ceph", replace(BUILD, url="https://jenkins/0"))
        with stopped(pair[1]):
            for store in stores:
                with pytest.raises(Unavailable, match=TOO_FEW):
                    await store.repos.put("ceph", REPO, RULES)
                with pytest.raises(Unavailable, match=TOO_FEW):
                    await store.builds.put("ceph", BUILD)
        outcome, repo = await stores[1].repos.put("ceph", REPO, RULES)
        built, _ = await stores[1].builds.put("ceph", BUILD)
        assert (outcome, built) == (Outcome.UNCHANGED, Outcome.UNCHANGED)
        assert repo
        assert await replica.hexists(keys.repos("ceph"), str(repo.id))
        assert await first.xlen(keys.changes("ceph")) == 4


async def test_builders_are_told_to_come_again(pair: tuple[Process, Process]) -> None:
    """Both dialects answer 503 and say that the write may be there; the repetition is acknowledged as any other."""
    body = {"ref": "main", "sha1": "a1", "distro": "ubuntu", "distro_version": "jammy", "arch": "x86_64"}
    body |= {"url": "https://r/", "chacra_url": URL, "status": "ready", "flavor": "default"}
    async with (
        client_of(pair[0]) as client,
        served(Store(client, TO_ACK, RELEASES), TO_ACK) as url,
        httpx.AsyncClient(base_url=url, auth=("builder", "secret")) as http,
    ):
        for path in ("/repos/ceph/", "/api/repos/ceph/"):
            with stopped(pair[1]):
                answer = await http.post(path, json=body)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert TOO_FEW in answer.text
            assert (await http.post(path, json=body)).is_success


async def test_what_no_replica_has_deleted_is_not_acknowledged(pair: tuple[Process, Process]) -> None:
    """Nor when it is repeated and finds nothing to delete, nor by what came too late for the deleted repo."""
    async with client_of(pair[0]) as first, client_of(pair[0]) as other:
        stores = [Store(client, TO_ACK, RELEASES) for client in (first, other)]
        await stores[0].repos.put("ceph", REPO, RULES)
        dated = replace(DELETION, modified="2026-06-17 19:00:00")
        with stopped(pair[1]):
            for store in stores:
                with pytest.raises(Unavailable, match=TOO_FEW):
                    await store.repos.put("ceph", dated, RULES)
            with pytest.raises(Unavailable, match=TOO_FEW):
                await stores[1].repos.put("ceph", replace(REPO, modified="2026-06-17 18:00:00"), RULES)
        assert await stores[1].repos.put("ceph", dated, RULES) == (Outcome.DELETED, None)
        late = await stores[1].repos.put("ceph", replace(REPO, modified="2026-06-17 18:00:00"), RULES)
        assert late == (Outcome.UNCHANGED, None)


async def test_a_node_registers_on_the_replica(pair: tuple[Process, Process]) -> None:
    """The pool of nodes is written like everything else."""
    async with client_of(pair[0]) as client:
        store = Store(client, TO_ACK, RELEASES)
        with stopped(pair[1]), pytest.raises(Unavailable, match=TOO_FEW):
            await store.nodes.put("chacra09", lambda health: health, registered=1)
        await store.nodes.put("chacra09", lambda health: health, registered=1)


async def test_lookups_do_not_wait_for_replicas(pair: tuple[Process, Process]) -> None:
    """However many writes wait for a replica that is away, a lookup is answered meanwhile."""
    async with client_of(pair[0]) as client:
        store = Store(client, TO_ACK, RELEASES)
        await store.repos.put("ceph", REPO, RULES)
        with stopped(pair[1]):
            puts = [asyncio.create_task(store.repos.put("ceph", posted(sha1=f"b{n}"), RULES)) for n in range(100)]
            await asyncio.sleep(0.1)
            for _ in range(20):
                assert len(await store.repos.find_sha1("ceph", "main", "a1", [Pattern()])) == 1
            assert not any(put.done() for put in puts)
            outcomes: list[Any] = await asyncio.gather(*puts, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unavailable}


async def test_a_lost_script_waits_for_replicas_too(pair: tuple[Process, Process]) -> None:
    """Where the server has lost its scripts, a write is told it with the same promise."""
    async with client_of(pair[0]) as client:
        store = Store(client, TO_ACK, RELEASES)
        await store.repos.put("ceph", REPO, RULES)
        await client.script_flush()
        with stopped(pair[1]), pytest.raises(Unavailable, match=TOO_FEW):
            await store.repos.put("ceph", replace(REPO, status="failed"), RULES)


async def test_a_master_that_has_become_a_replica_is_named(pair: tuple[Process, Process]) -> None:
    """What it refuses is told as it is: it has no replicas to ask."""
    async with client_of(pair[0]) as client:
        store = Store(client, TO_ACK, RELEASES)
        await store.repos.put("ceph", REPO, RULES)
        await client.replicaof("127.0.0.1", pair[1].port)
        with pytest.raises(Unavailable, match="ReadOnlyError"):
            await store.repos.put("ceph", replace(REPO, status="failed"), RULES)
        await client.replicaof("NO", "ONE")


async def test_each_node_of_a_cluster_has_replicas_of_its_own(tmp_path: Path) -> None:
    """Where the replica of one node stands still, the writes there are not acknowledged, those of others are."""
    with ExitStack() as stack:
        group = cluster(stack, tmp_path, ())
        client = connect(group.url, 8)
        store = Store(client, TO_ACK, RELEASES)
        for name in PROJECTS[:2]:
            await store.repos.put(name, posted(sha1="b0"), RULES)
        with SyncRedis(port=group.master.port) as master:
            port = master.info("replication")["slave0"]["port"]
        with SyncRedis(port=port) as replica:
            pid = replica.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            puts = (store.repos.put(name, REPO, RULES) for name in PROJECTS[:2])
            answers: list[Any] = await asyncio.gather(*puts, return_exceptions=True)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert str(answers[0]) == TOO_FEW
        assert answers[1][0] is Outcome.CREATED
        assert (await store.repos.put(PROJECTS[0], REPO, RULES))[0] is Outcome.UNCHANGED
        await audit(client)
        await store.close()
