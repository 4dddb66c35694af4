"""Answers from memory: never older than what was acknowledged or read before, gone with the first change."""

import asyncio
from itertools import product
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from redis.asyncio import Redis

from shaman.app import create_app
from shaman.config import CacheSettings
from shaman.store import keys
from shaman.store.connection import connect
from shaman.store.wakeups import tags_of
from shaman.web.cache import AnswerCache
from tests.conftest import CONFIG, RELEASES
from tests.web.workers import REPO, WRITER, Worker, cut, until, working

KEPT = [
    "/repos/",
    "/repos/ceph/",
    "/repos/ceph/main/",
    "/repos/ceph/main/a0/",
    "/repos/ceph/main/latest/ubuntu/",
    "/repos/ceph/main/a0/ubuntu/22.04/x86_64/",
    "/search/ceph/main/",
    "/search/ceph/a0/?distros=ubuntu/jammy&common_sha1=true",
    "/search/ceph/main/?distros=ubuntu/jammy&common_sha1=true",
    "/api/",
    "/api/repos/",
    "/api/repos/ceph/main/latest/ubuntu/jammy/flavors/default/",
    "/api/repos/ceph/main/latest/ubuntu/jammy/repo",
    "/api/search/?project=ceph&distros=ubuntu/jammy/x86_64&flavor=default&status=ready&sha1=latest",
    "/api/search/?project=ceph&ref=main&sha1=latest&distros=ubuntu/22.04",
    "/api/search/?project=ceph&sha1=a0",
]


@pytest.mark.parametrize("path", KEPT)
async def test_what_is_asked_again_costs_no_round_trip(worker: Worker, path: str) -> None:
    """The third answer is the first one, byte by byte, and the store is not asked."""
    await worker.post()
    await worker.settle()
    first = await worker.get(path, X_Request_ID="one")
    assert first.status_code in {200, 302}
    assert await worker.asked_for(path) > 0
    assert await worker.asked_for(path) == 0
    third = await worker.get(path, X_Request_ID="one")
    assert (third.content, third.headers) == (first.content, first.headers)


@pytest.mark.parametrize("path", KEPT)
async def test_a_change_is_in_the_next_answer(worker: Worker, path: str) -> None:
    """Whatever was kept is dropped by the write that changes it, before that is acknowledged."""
    await worker.post()
    before = await worker.keep(path)
    if b"chacra.ceph.com" in before.content and not path.endswith("/repo"):
        await worker.post(url="https://elsewhere.example.org/")
        assert b"elsewhere.example.org" in (await worker.get(path)).content
    await worker.post(status="building")
    trips = worker.trips
    await worker.get(path)
    assert worker.trips > trips


@pytest.mark.parametrize("path", KEPT)
async def test_an_unchanged_answer_is_a_304(worker: Worker, path: str) -> None:
    """A client that names the ETag it has gets 304 without a body, and the whole answer once it has changed."""
    await worker.post()
    first = await worker.keep(path)
    if first.status_code != 200:
        return
    for named in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = await worker.get(path, if_none_match=named)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert "content-type" not in again.headers
    assert (await worker.get(path, if_none_match='"other"')).status_code == 200


async def test_a_head_is_answered_from_memory(worker: Worker) -> None:
    """HEAD has the headers of GET and no body, from memory and before."""
    await worker.post()
    await worker.settle()
    worker.http.headers["X-Request-ID"] = "one"
    first = await worker.http.head("/search/ceph/main/")
    answer = await worker.get("/search/ceph/main/")
    trips = worker.trips
    head = await worker.http.head("/search/ceph/main/")
    assert (head.headers, head.content, worker.trips) == (answer.headers, b"", trips)
    assert (first.headers, first.content) == (answer.headers, b"")


@pytest.mark.parametrize(
    "path", ["/repos/nothing/", "/repos/ceph/main/latest/centos/", "/api/repos/nothing/", "/search/ceph/main/?no=1"]
)
async def test_errors_are_not_kept(worker: Worker, path: str) -> None:
    """An error is found out anew each time, and has no ETag."""
    await worker.post()
    first, second = await worker.get(path), await worker.get(path)
    assert first.status_code == second.status_code >= 400
    assert not {"etag", "cache-control"} & first.headers.keys()


async def test_what_comes_with_credentials_is_not_kept(worker: Worker) -> None:
    """A request that names a user is answered by the application, each time."""
    await worker.post()
    await worker.keep("/search/ceph/main/")
    assert await worker.asked_for("/search/ceph/main/", **WRITER) > 0
    assert await worker.asked_for("/search/ceph/main/", **WRITER) > 0


async def test_turns_are_not_kept(worker: Worker) -> None:
    """Each call takes its own turn."""
    urls = [(await worker.get("/nodes/next/")).json()["url"] for _ in CONFIG.chacra_nodes]
    assert urls == list(CONFIG.chacra_nodes)


async def test_nothing_is_told_from_memory_while_it_is_being_written(worker: Worker) -> None:
    """Until the store has said whether a write was made, what it changes is asked for anew."""
    await worker.post()
    await worker.settle()
    await worker.keep("/search/ceph/main/")
    with worker.store.wakeups.writing(tags_of("repo", "ceph", ["main"], ["a0"])):
        assert await worker.asked_for("/search/ceph/main/") > 0
        assert await worker.asked_for("/search/ceph/main/") > 0


async def test_other_refs_stay_kept(worker: Worker) -> None:
    """A write drops what it changes and nothing else."""
    await worker.post()
    await worker.settle()
    await worker.keep("/search/ceph/main/")
    await worker.post(ref="squid", sha1="b1")
    assert await worker.asked_for("/search/ceph/main/") == 0


async def test_a_name_that_comes_to_be_a_ref_is_found(worker: Worker) -> None:
    """A search by sha1 is kept until there is a ref of that name, or another repo of the sha1."""
    await worker.post()
    assert len((await worker.keep("/search/ceph/a0/")).json()) == 1
    await worker.post(ref="squid")
    assert len((await worker.get("/search/ceph/a0/")).json()) == 2
    await worker.post(ref="a0", sha1="c2")
    assert [repo["sha1"] for repo in (await worker.get("/search/ceph/a0/")).json()] == ["c2"]
    assert (await worker.keep("/search/ceph/nothing/")).json() == []
    await worker.post(ref="nothing", sha1="d3")
    assert len((await worker.get("/search/ceph/nothing/")).json()) == 1


async def test_the_memory_is_bounded(redis: Redis) -> None:
    """What was not asked for longest makes room, and however long paths and queries are they count."""
    async with working(redis) as one:
        await one.post()
        await one.settle()
        app = create_app(replace(CONFIG, cache=CacheSettings(megabytes=0)), one.store, RELEASES)
        cache = AnswerCache(app.asgi_app, one.store.wakeups, 100_000)
        transport = httpx.ASGITransport(app=cache)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shaman") as http:
            for number in range(100):
                for _ in range(2):
                    await http.get(f"/search/ceph/main/?flavor={'f' * 200}{number}")
            trips = one.trips
            await http.get(f"/search/ceph/main/?flavor={'f' * 200}99")
            assert one.trips == trips
            await http.get(f"/search/ceph/main/?flavor={'f' * 200}0")
            assert one.trips == trips + 1


async def test_without_wake_ups_nothing_comes_from_memory(server_url: str) -> None:
    """While nobody hears of changes every answer is made anew, and after that from scratch."""
    client = connect(server_url, 16)
    await client.flushall()
    async with working(client) as one:
        await one.post()
        await one.settle()
        await one.keep("/search/ceph/main/")
        for _ in range(5):
            assert await one.asked_for("/search/ceph/main/") == 0
            trusted = one.store.wakeups.now
            await cut(one)
            await until(lambda: one.store.wakeups.now != trusted or not one.store.wakeups.trusted())  # noqa: B023
            assert await one.asked_for("/search/ceph/main/") > 0
            await until(one.store.wakeups.trusted)
            await one.get("/search/ceph/main/")


async def test_a_write_elsewhere_during_a_cut_is_seen(workers: tuple[Worker, Worker]) -> None:
    """What another worker writes while the wake-ups are cut is in the next answer after they are back."""
    one, other = workers
    await other.post()
    for number in range(10):
        await one.keep("/search/ceph/main/")
        moment = one.store.wakeups.now
        await asyncio.gather(cut(other), other.post(url=f"https://chacra.example.org/{number}/"))
        await until(lambda: one.store.wakeups.now != moment)  # noqa: B023
        await until(one.store.wakeups.trusted)
        [repo] = (await one.get("/search/ceph/main/")).json()
        assert repo["url"] == f"https://chacra.example.org/{number}/"


async def test_another_worker_follows(workers: tuple[Worker, Worker]) -> None:
    """What one worker acknowledges the other answers with, unasked."""
    one, other = workers
    for number in range(20):
        await one.post(sha1=f"a{number}")
        async with asyncio.timeout(20):
            while f"a{number}" not in (await other.get("/repos/ceph/main/")).json():  # noqa: ASYNC110 - as a client would
                await asyncio.sleep(0)


async def test_a_repeated_post_is_acknowledged_as_it_is_told(workers: tuple[Worker, Worker]) -> None:
    """What another worker has moved or deleted is not told at its old place once this one acknowledges the same."""
    one, other = workers
    body = REPO | {"chacra_url": "https://chacra.ceph.com/repos/1/"}
    for path, change in (("/repos/ceph/", body | {"ref": "squid"}), ("/api/repos/ceph/", body | {"status": "deleted"})):
        assert (await one.http.post("/repos/ceph/", json=body, headers=WRITER)).status_code in {200, 201}
        await one.settle()
        assert (await one.keep("/repos/ceph/main/")).json() == ["a0"]
        # The wake-up of the change is held back, as a slow network may.
        wakeups: Any = one.store.wakeups
        late: list[bytes] = []
        note, wakeups._note = wakeups._note, late.append  # noqa: SLF001
        assert (await other.http.post(path, json=change, headers=WRITER)).status_code == 200
        repeated = asyncio.create_task(one.http.post(path, json=change, headers=WRITER))
        await until(lambda: late)  # noqa: B023
        wakeups._note = note  # noqa: SLF001
        for data in late:
            note(data)
        assert (await repeated).status_code == 200
        assert (await one.get("/repos/ceph/main/")).status_code == 404


@pytest.mark.parametrize("steps", range(8))
async def test_a_write_outlives_the_connection_that_wake_ups_come_on(worker: Worker, steps: int) -> None:
    """However far the question has got whether every wake-up has come, the end of its connection does no harm."""
    wakeups: Any = worker.store.wakeups
    asking = asyncio.create_task(wakeups.catch_up())
    for _ in range(steps):
        await asyncio.sleep(0)
    await wakeups._channel.connection.disconnect(nowait=True)  # noqa: SLF001 - at this very step
    await asking
    await until(wakeups.trusted)


async def test_memory_is_not_believed_while_the_connection_is_made_again(server_url: str) -> None:
    """From the moment at which it breaks until changes are heard of again, nothing is trusted."""
    client = connect(server_url, 16)
    async with working(client) as one:
        connected = asyncio.Event()
        pool: Any = one.store._listening.connection_pool  # noqa: SLF001
        [listener] = pool._in_use_connections  # noqa: SLF001
        connect_again = listener.connect

        async def slow() -> None:
            connected.set()
            assert not one.store.wakeups.trusted()
            await asyncio.sleep(0.2)
            assert not one.store.wakeups.trusted()
            await connect_again()

        listener.connect = slow
        await cut(one)
        await connected.wait()
        await until(one.store.wakeups.trusted)


@pytest.mark.parametrize("data", [b"no JSON", b'{"kind":"\xff"}', b'{"kind":"a","x":' + b"[" * 100_000, b"{}"])
async def test_a_wake_up_that_nobody_understands_may_mean_anything(worker: Worker, data: bytes) -> None:
    """Everything is asked for anew, and later changes are heard of."""
    await worker.post()
    await worker.settle()
    await worker.keep("/search/ceph/main/")
    await worker.store._client.publish(keys.CHANNEL, data)  # noqa: SLF001
    await worker.settle()
    assert await worker.asked_for("/search/ceph/main/") > 0
    assert await worker.asked_for("/search/ceph/main/") == 0


async def test_what_a_client_accepts_does_not_matter(worker: Worker) -> None:
    """One answer is kept for all of them."""
    await worker.post()
    await worker.settle()
    await worker.keep("/search/ceph/main/", accept="application/json")
    assert await worker.asked_for("/search/ceph/main/", accept="text/html") == 0


async def test_a_silent_store_is_not_trusted(server_url: str) -> None:
    """When the connection is open and nothing comes, not even an answer to a ping, memory is not believed for long."""
    client = connect(server_url, 16)
    await client.flushall()
    async with working(client) as one:
        await one.post()
        await one.keep("/search/ceph/main/")
        async with connect(server_url, 1) as admin:
            await admin.client_pause(3000)
        await until(lambda: not one.store.wakeups.trusted())
        assert (await one.get("/search/ceph/main/")).status_code == 503


class History:
    """Numbered writes of two refs, and what may be told of them."""

    def __init__(self, workers: tuple[Worker, Worker]) -> None:
        """Begin with an empty store."""
        self.workers = workers
        self.begun = [0, 0]
        self.acknowledged: dict[tuple[int, int], int] = {}
        self.told: dict[tuple[int, str], int] = {}
        self.locks = [asyncio.Lock(), asyncio.Lock()]  # one writer of a ref at a time, so that numbers are in order

    async def step(self, kind: str, who: int, ref: int, turns: int) -> None:
        """Do one thing after some turns of the loop."""
        for _ in range(turns):
            await asyncio.sleep(0)
        if kind == "cut":
            await cut(self.workers[who])
        elif kind == "post":
            await self.post(who, ref)
        else:
            await self.read(who, ref)

    async def post(self, who: int, ref: int) -> None:
        """Write the next number of a ref."""
        async with self.locks[ref]:
            self.begun[ref] += 1
            number = self.begun[ref]
            await self.workers[who].post(ref=f"r{ref}", sha1=f"{ref}a", extra={"number": number})
            self.acknowledged[who, ref] = number

    async def read(self, who: int, ref: int) -> None:
        """Ask for the number of a ref in every way, and check what is told."""
        for path in (each.format(ref) for each in READS):
            least = max(self.acknowledged.get((who, ref), 0), self.told.get((who, path), 0))
            answer = await self.workers[who].get(path)
            found = answer.json() if answer.status_code == 200 else []
            number = found[0]["extra"]["number"] if found else 0
            assert least <= number <= self.begun[ref]
            self.told[who, path] = max(number, self.told.get((who, path), 0))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["post", "read", "read", "cut"]),
        st.integers(0, 1),  # the worker
        st.integers(0, 1),  # the ref
        st.integers(0, 3),  # turns of the loop that it waits first
    ),
    min_size=4,
    max_size=40,
)
READS = ["/search/ceph/r{}/", "/repos/ceph/r{}/latest/ubuntu/jammy/x86_64/"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
async def test_nobody_goes_back_in_time(server_url: str, steps: list[tuple[str, int, int, int]]) -> None:
    """However reads and writes on two workers interleave, an answer is of a state that was, and none goes back.

    A worker tells nothing that is older than what it has acknowledged, or has told before to the same question.
    """
    first, second = connect(server_url, 16), connect(server_url, 16)
    await first.flushall()
    async with working(first) as one, working(second) as other:
        history = History((one, other))
        for _, who, ref in product(range(2), range(2), range(2)):  # so that answers are kept
            await history.post(who, ref)
            await history.read(who, ref)
        for begin in range(0, len(steps), 4):
            await asyncio.gather(*(history.step(*each) for each in steps[begin : begin + 4]))
        for who, ref in ((0, 0), (0, 1), (1, 0), (1, 1)):
            await history.read(who, ref)
