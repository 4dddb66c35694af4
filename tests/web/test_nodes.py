"""`/nodes/` and `/_health/` over real sockets."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import trustme
from fakeredis import FakeAsyncRedis, FakeServer
from msgspec.structs import replace

from shaman.store import Store
from shaman.store.connection import connect
from tests.conftest import CONFIG, RELEASES, served
from tests.storage_node import StorageNode, failing, healthy

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


@contextlib.asynccontextmanager
async def service(*nodes: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an empty store with these nodes configured, to a client who may write."""
    config = replace(CONFIG, chacra_nodes=nodes)
    store = Store(FakeAsyncRedis(server=FakeServer()), config, RELEASES)
    async with served(store, config) as url, httpx.AsyncClient(base_url=url, auth=("builder", "secret")) as http:
        yield http


async def test_both_dialects_share_the_turns(http: httpx.AsyncClient) -> None:
    """A turn taken in one is taken in the other."""
    for native, other in ((0, 1), (2, 0), (1, 2)):
        assert (await http.get("/nodes/next/")).json() == {"url": URLS[native]}
        assert (await http.get("/api/nodes/next/")).text == URLS[other] + "/"


async def test_a_head_takes_no_turn(http: httpx.AsyncClient) -> None:
    """Its headers are those of the GET that would follow."""
    for path in ("/nodes/next/", "/api/nodes/next/"):
        for _ in range(2):
            head = await http.head(path)
            assert (head.status_code, head.content) == (200, b"")
    assert (await http.get("/nodes/next/")).json() == {"url": URLS[0]}


async def test_a_node_joins_leaves_and_comes_back(trusted: trustme.CA) -> None:
    """A POST is enough to be handed out in both dialects; one while ill takes it out, one when well is a reset."""
    async with service(URLS[0]) as http:
        with StorageNode(trusted.issue_cert("127.0.0.1")) as node:
            for does, listed in ((healthy, [URLS[0], f"https://{node.host}"]), (failing, [URLS[0]])) * 2:
                node.does = does
                assert (await http.post(f"/api/nodes/{node.host}/")).status_code == 200
                assert (await http.get("/nodes/")).json() == listed
                taken = {(await http.get("/api/nodes/next/")).text for _ in range(2)}
                assert taken == {f"{url}/" for url in listed}
                told = (await http.get(f"/api/nodes/{node.host}/")).json()
                assert (told["healthy"], told["down_count"]) == (does is healthy, int(does is failing))


async def test_a_pool_that_is_down_hands_out_nothing(http: httpx.AsyncClient) -> None:
    """503 in one dialect, 404 as a comment in the other, and the list is empty."""
    async with service("http://127.0.0.1:1") as alone:
        assert (await alone.post("/api/nodes/127.0.0.1:1/")).status_code == 200
        assert (await alone.get("/nodes/")).json() == []
        assert (await alone.get("/nodes/next/")).status_code == 503
        answer = await alone.get("/api/nodes/next/")
        assert (answer.status_code, answer.text[:2]) == (404, "# ")
    assert (await http.get("/nodes/next/")).status_code == 200


async def test_a_configured_node_is_reached_as_configured() -> None:
    """Its scheme and path are kept in both dialects, and its check asks there."""
    with StorageNode(None) as node:
        urls = (f"http://{node.host}/chacra", "https://Chacra.example/")
        async with service(*urls) as http:
            assert (await http.post(f"/api/nodes/{node.host}")).status_code == 200
            assert (await http.get("/nodes/")).json() == list(urls)
            assert (await http.get("/api/nodes/next/")).text == urls[0] + "/"
            assert (await http.get("/api/nodes/next/")).text == urls[1]
            pool = (await http.get("/api/nodes/")).json()
            assert list(pool) == [node.host, "chacra.example"]
            assert (await http.get("/api/nodes/CHACRA.example/")).json() == pool["chacra.example"]
            assert pool[node.host]["healthy"]
        assert node.paths == ["/chacra/health/"]


async def test_a_user_of_some_projects_registers_no_node(http: httpx.AsyncClient) -> None:
    """A node takes the uploads of every project, so that is no business of one; whose turn it is may be asked."""
    for path, status in (("/api/nodes/127.0.0.1:1/", 401), ("/api/nodes/127.0.0.1:1", 401)):
        assert (await http.post(path, auth=("limited", "narrow"))).status_code == status
    assert "127.0.0.1:1" not in (await http.get("/api/nodes/")).json()
    assert (await http.get("/api/nodes/next/", auth=("limited", "narrow"))).status_code == 200


async def test_a_healthy_service_says_so(http: httpx.AsyncClient) -> None:
    """204, and nothing else."""
    answer = await http.get("/_health/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not {"content-type", "content-length"} & set(answer.headers)
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
        for path in ("/repos/", "/repos/ceph/", "/search/ceph/main/", "/nodes/", "/nodes/next/"):
            answer = await http.get(path)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_node_is_taken_out_for_good(http: httpx.AsyncClient) -> None:
    """A DELETE takes a registered one out of both dialects, whatever a check finds then; a second one finds none."""
    host = "127.0.0.1:1"
    assert (await http.post(f"/api/nodes/{host}/")).status_code == 200
    assert (await http.delete(f"/api/nodes/{host}/", auth=("limited", "narrow"))).status_code == 401
    answer = await http.delete(f"/api/nodes/{host}/")
    assert (answer.status_code, answer.json()) == (200, {})
    assert host not in (await http.get("/api/nodes/")).json()
    for path in (f"/api/nodes/{host}/", "/api/nodes/never.example.org/"):
        assert (await http.delete(path)).status_code == 404
    assert (await http.post(f"/api/nodes/{host}/")).status_code == 200
    assert host in (await http.get("/api/nodes/")).json()


async def test_a_configured_node_stays(http: httpx.AsyncClient) -> None:
    """A DELETE says where it stands, in whatever case its name is, registered or not."""
    for host in ("chacra01.ceph.com", "CHACRA01.ceph.com"):
        answer = await http.delete(f"/api/nodes/{host}/")
        assert answer.status_code == 400
        assert "chacra01.ceph.com is in chacra_nodes of config.toml" in answer.text
    assert (await http.get("/nodes/")).json() == URLS
