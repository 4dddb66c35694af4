"""`/nodes/` and `/_health/` over real sockets."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
from fakeredis import FakeAsyncRedis, FakeServer
from msgspec.structs import replace

from shaman.store import Store
from shaman.store.connection import connect
from tests.conftest import CONFIG, RELEASES, served

URLS = list(CONFIG.chacra_nodes)


async def test_the_pool_is_listed_in_order(http: httpx.AsyncClient) -> None:
    """The URLs are told as the configuration has them."""
    assert (await http.get("/nodes/")).json() == URLS
    assert (await http.get("/nodes")).json() == URLS


async def test_nodes_are_handed_out_in_turn(http: httpx.AsyncClient) -> None:
    """One after the other, and again from the start."""
    taken = [(await http.get("/nodes/next/")).json()["url"] for _ in range(7)]
    assert taken == [*URLS, *URLS, URLS[0]]


async def test_concurrent_calls_get_each_node_equally_often(http: httpx.AsyncClient) -> None:
    """However many call at once, and whichever process answers, the turns are exactly even."""
    answers = await asyncio.gather(*(http.get("/nodes/next") for _ in range(90)))
    assert Counter(answer.json()["url"] for answer in answers) == dict.fromkeys(URLS, 30)


async def test_an_empty_pool_is_unavailable() -> None:
    """Without nodes there is nothing to hand out, and it is said when to ask again."""
    config = replace(CONFIG, chacra_nodes=())
    client = FakeAsyncRedis(server=FakeServer())
    async with served(Store(client, config, RELEASES), config) as url, httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/nodes/")).json() == []
        answer = await http.get("/nodes/next/")
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert "pool" in answer.json()["detail"]


async def test_a_healthy_service_says_so(http: httpx.AsyncClient) -> None:
    """204, and nothing else."""
    answer = await http.get("/_health/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await http.get("/_health")).status_code == 204


async def test_a_maintenance_file_fails_the_health_check(tmp_path: Path) -> None:
    """While the file exists the answer is 500, whatever the store says."""
    trigger = tmp_path / "maintenance"
    config = replace(CONFIG, fail_check_trigger_path=str(trigger))
    client = FakeAsyncRedis(server=FakeServer())
    async with served(Store(client, config, RELEASES), config) as url, httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/_health/")).status_code == 204
        trigger.touch()
        assert (await http.get("/_health/")).status_code == 500
        trigger.unlink()
        assert (await http.get("/_health/")).status_code == 204


async def test_a_store_that_is_away_is_told_as_such() -> None:
    """The health check is 500, everything else 503 with the time to ask again."""
    store = Store(connect("unix:///nowhere/at/all.sock", 2), CONFIG, RELEASES)
    async with served(store) as url, httpx.AsyncClient(base_url=url, auth=("builder", "secret")) as http:
        assert (await http.get("/_health/")).status_code == 500
        for path in ("/repos/", "/repos/ceph/", "/search/ceph/main/", "/nodes/next/"):
            answer = await http.get(path)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            assert answer.headers["Content-Type"] == "application/problem+json"
