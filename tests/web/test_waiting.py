"""`wait=SECONDS`: an answer as soon as there is one, woken by what changes it and by nothing else."""

import asyncio
from typing import Any

import httpx
import pytest

from shaman.store import keys
from tests.conftest import CONFIG
from tests.web.test_repos import post
from tests.web.workers import WRITER, Worker, cut, until

LOOKUPS = [
    "/search/ceph/main/",
    "/search/ceph/a0/",
    "/search/ceph/main/?common_sha1=true&distros=ubuntu/jammy",
    "/repos/ceph/main/",
    "/repos/ceph/main/latest/ubuntu/jammy/x86_64/",
    "/api/search?project=ceph&ref=main&sha1=latest&distros=ubuntu/jammy/x86_64",
    "/api/search?sha1=a0",
    "/api/search/?status=ready",
    "/api/repos/ceph/main/latest/ubuntu/jammy/flavors/default/",
    "/api/repos/ceph/main/latest/ubuntu/jammy/repo",
]
EMPTY = [
    "/repos/",
    "/repos",
    "/repos/ceph",
    "/search/ceph/main",
    "/search/ceph/main?common_sha1=true&distros=ubuntu/jammy",
    "/api/search",
    "/api/repos/",
    "/api/repos",
    "/api/repos/ceph/main/latest/ubuntu/jammy",
]
"""Lookups with and without their last slash, while nothing is built."""

BUILD = {"ref": "main", "sha1": "a0", "url": "https://jenkins.example.org/1/", "status": "started"}


def waits(path: str, seconds: float = 20) -> str:
    """Return a path that is waited for."""
    return f"{path}{'&' if '?' in path else '?'}wait={seconds}"


async def waiting(worker: Worker, path: str, seconds: float = 20, **headers: str) -> asyncio.Task[httpx.Response]:
    """Ask, and return when the worker waits."""
    before = len(worker.app.waiting)
    task = asyncio.create_task(worker.get(waits(path, seconds), **headers))
    await until(lambda: len(worker.app.waiting) > before or task.done())
    assert not task.done(), task.result().text
    return task


async def told(task: asyncio.Task[httpx.Response]) -> httpx.Response:
    """Return the answer, which comes long before the time is over."""
    async with asyncio.timeout(10):
        return await task


@pytest.mark.parametrize("path", LOOKUPS)
async def test_a_repo_that_another_worker_takes_ends_the_wait(workers: tuple[Worker, Worker], path: str) -> None:
    """Who waits is told what everybody is told from then on."""
    one, other = workers
    task = await waiting(one, path, X_Request_ID="one")
    await other.post()
    answer = await told(task)
    assert answer.status_code in {200, 302}
    again = await one.get(path, X_Request_ID="one")
    assert (answer.content, answer.headers) == (again.content, again.headers)


@pytest.mark.parametrize("path", EMPTY)
async def test_every_lookup_waits_with_a_slash_at_its_end_and_without(
    workers: tuple[Worker, Worker], path: str
) -> None:
    """An empty object has as little to tell as an empty list."""
    one, other = workers
    task = await waiting(one, path)
    await other.post()
    assert (await told(task)).content not in {b"[]", b"{}"}


async def test_who_asks_for_the_headers_alone_waits_like_others(workers: tuple[Worker, Worker]) -> None:
    """A HEAD has no body to tell by whether there is anything; its length tells."""
    one, other = workers
    before = len(one.app.waiting)
    task = asyncio.create_task(one.http.head(waits("/search/ceph/main/")))
    await until(lambda: len(one.app.waiting) > before or task.done())
    assert not task.done()
    await other.post()
    answer = await told(task)
    assert (answer.content, answer.headers["etag"]) == (b"", (await one.get("/search/ceph/main/")).headers["etag"])


@pytest.mark.parametrize("path", ["/api/builds/ceph/main/a0/", "/api/builds/", "/api/builds"])
async def test_a_build_ends_the_wait_for_builds(workers: tuple[Worker, Worker], path: str) -> None:
    """The builds of a sha1 are waited for like repos, and so are the refs that have any."""
    one, other = workers
    task = await waiting(one, path)
    assert (await other.http.post("/api/builds/ceph/", json=BUILD, headers=WRITER)).status_code in {200, 201}
    assert (BUILD["url"] if "a0" in path else "main") in (await told(task)).text


@pytest.mark.parametrize("path", [*LOOKUPS, "/api/builds/ceph/main/a0/"])
async def test_when_the_time_is_over_the_answer_is_the_usual_one(workers: tuple[Worker, Worker], path: str) -> None:
    """Nothing to tell is told as without waiting."""
    one, _ = workers
    usual, waited = await one.get(path), await one.get(waits(path, 0.01))
    assert (waited.status_code, waited.content) == (usual.status_code, usual.content)
    assert usual.status_code == 404 or usual.content == b"[]"


async def test_what_is_there_is_told_at_once(workers: tuple[Worker, Worker]) -> None:
    """Nobody waits for what is there; with credentials, too."""
    one, _ = workers
    await one.post()
    for headers in ({}, WRITER):
        assert (await told(asyncio.create_task(one.get(waits("/search/ceph/main/"), **headers)))).json()


async def test_only_a_common_sha1_ends_the_wait_for_one(workers: tuple[Worker, Worker]) -> None:
    """A part of what is asked for is nothing."""
    one, other = workers
    path = "/search/ceph/main/?common_sha1=true&distros=ubuntu/jammy,centos/9"
    task = await waiting(one, path)
    await other.post(distro="ubuntu", distro_version="jammy")
    await other.post(distro="centos", distro_version="9", sha1="b1")
    await one.settle()
    assert not task.done()
    await other.post(distro="ubuntu", distro_version="jammy", sha1="b1", flavor="crimson")
    assert {repo["sha1"] for repo in (await told(task)).json()} == {"b1"}


async def test_who_names_an_etag_waits_for_another_answer(workers: tuple[Worker, Worker]) -> None:
    """The answer that is known is not told again; its end is told."""
    one, other = workers
    await other.post()
    for change in ({"url": "https://elsewhere.example.org/"}, {"status": "building"}):
        etag = (await one.get("/search/ceph/main/")).headers["etag"]
        assert (await one.get(waits("/search/ceph/main/", 0.01), if_none_match=etag)).status_code == 304
        task = await waiting(one, "/search/ceph/main/", if_none_match=etag)
        await other.post(**change)
        answer = await told(task)
        assert answer.status_code == 200
        assert answer.headers["etag"] != etag


async def test_other_writes_wake_nobody(workers: tuple[Worker, Worker]) -> None:
    """Whoever waits for a ref asks nothing of the store while others are written."""
    one, other = workers
    task = await waiting(one, "/search/ceph/main/")
    trips = one.trips
    for number in range(20):
        await other.post(ref=f"wip-{number}", sha1=f"b{number}")
    await one.settle()
    assert (one.trips - trips, task.done()) == (1, False)  # the one is what settle() sends
    await other.post()
    assert (await told(task)).json()


async def test_a_write_while_the_wake_ups_are_cut_is_not_slept_through(workers: tuple[Worker, Worker]) -> None:
    """When wake-ups are heard again, whoever waits asks again."""
    one, other = workers
    for number in range(5):
        task = await waiting(one, f"/search/ceph/main{number}/")
        await asyncio.gather(cut(other), other.post(ref=f"main{number}", sha1=f"c{number}"))
        assert (await told(task)).json()


async def test_who_has_gone_leaves_nothing_behind(workers: tuple[Worker, Worker]) -> None:
    """Neither a waiter nor an entry for its wake-ups."""
    one, _ = workers
    told: list[Any] = []

    async def receive() -> dict[str, Any]:
        await until(lambda: one.app.waiting._waiters)  # noqa: SLF001
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/search/ceph/main/",
        "http_version": "1.1",
    }
    scope |= {"raw_path": b"/search/ceph/main/", "query_string": b"wait=20", "headers": [(b"host", b"shaman")]}
    async with asyncio.timeout(10):
        await one.app.asgi_app(scope, receive, send)  # type: ignore[arg-type]
    await until(lambda: not one.app.waiting._waiters and not one.store.wakeups._waiting)  # noqa: SLF001


async def test_a_service_that_stops_lets_everybody_go(workers: tuple[Worker, Worker]) -> None:
    """Each waiter has the usual answer, and nobody begins to wait."""
    one, _ = workers
    tasks = [await waiting(one, f"/search/ceph/{number}/") for number in range(20)]
    one.app.waiting.stop()
    assert {(await told(task)).content for task in tasks} == {b"[]"}
    assert (await told(asyncio.create_task(one.get(waits("/search/ceph/main/"))))).content == b"[]"


@pytest.mark.parametrize(
    "path",
    [
        "/search/ceph/main/?wait=soon",
        "/search/ceph/main/?wait=",
        "/search/ceph/main/?wait=-1",
        "/search/ceph/main/?wait=nan",
        "/search/ceph/main/?wait=1&wait=2",
        "/api/search?project=ceph&wait=inf",
        "/api/repos/ceph/main/latest/ubuntu/jammy/flavors/default/?wait=x",
        "/nodes/?wait=1",
        "/_health/?wait=1",
    ],
)
async def test_what_cannot_be_waited_for_is_refused(http: httpx.AsyncClient, path: str) -> None:
    """A number of seconds, once, where a lookup is; anything else is an error that says so."""
    answer = await http.get(path, headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert "wait: must be given once, to a lookup, as a number of seconds" in answer.text


async def test_nobody_waits_longer_than_the_service_allows(workers: tuple[Worker, Worker]) -> None:
    """What a client asks for is cut to the setting."""
    one, _ = workers
    assert CONFIG.server.longest_wait == 25
    one.app.waiting._longest = 0.01  # noqa: SLF001
    assert (await told(asyncio.create_task(one.get(waits("/search/ceph/main/", 1e9))))).content == b"[]"


async def test_a_wake_up_that_nobody_understands_wakes_everybody(workers: tuple[Worker, Worker]) -> None:
    """It may have meant anything."""
    one, _ = workers
    task = await waiting(one, "/search/ceph/main/")
    trips = one.trips
    await one.store._client.publish(keys.CHANNEL, b"no JSON")  # noqa: SLF001
    await until(lambda: one.trips >= trips + 2)
    assert not task.done()
    task.cancel()


@pytest.mark.parametrize("seconds", ["%30", "1e%2B1", "0.5"])
async def test_the_number_may_be_escaped(http: httpx.AsyncClient, seconds: str) -> None:
    """As any value of a query may."""
    await post(http)
    assert (await http.get(f"/search/ceph/jewel/?wait={seconds}")).json()
