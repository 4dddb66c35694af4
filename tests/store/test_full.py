"""A store that is full: what frees memory gets through, what is new is told to come again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis

from shaman.errors import Unavailable
from shaman.models import PostedBuild
from shaman.store import Store, keys
from shaman.store.repos import Outcome
from tests.conftest import CONFIG, RELEASES, backend, served
from tests.store.test_late_writes import CREATION, URL, prepared, scripts_of
from tests.store.test_removals import NEWEST, build
from tests.store.test_repos import RULES, posted, put
from tests.test_serve import REPO

SENT = "2026-01-01T00:00:00Z"


@pytest.fixture(params=["server", "system"])
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """Return a client of an empty store of each real kind, which may be filled up; fakeredis knows no limit."""
    async with backend(request.param, request) as client:
        yield client
        await client.config_set("maxmemory", 0)


async def fill_up(redis: Any) -> None:
    """Leave the store no byte more than it has, and nothing that it remembers of scripts."""
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set("maxmemory", 1)
    await redis.script_flush()


async def test_a_deletion_gets_through(store: Store, redis: Any) -> None:
    """By identity of either kind, with a sender's time to remember and without, whether it is there or not."""
    sent = {"chacra_url": "https://c/1/", "modified": SENT}
    await put(store, **sent)
    await put(store)
    await fill_up(redis)
    for body in (sent, {}, {"chacra_url": "https://c/2/", "modified": SENT}):
        outcome, _ = await store.repos.put("ceph", posted(**body, status="deleted"), RULES)
        assert outcome is Outcome.DELETED
    assert await store.repos.refs("ceph", None) == []
    assert await redis.xlen(keys.changes("ceph")) == 4


async def test_a_deletion_in_a_new_project_gets_through(store: Store, redis: Any) -> None:
    """Nothing was there to delete, and a creation that was on its way by then is refused."""
    await fill_up(redis)
    gone = posted(chacra_url=URL, status="deleted")
    late = await prepared(redis, CREATION)
    assert await store.repos.put("ceph", gone, RULES) == (Outcome.DELETED, None)
    await redis.config_set("maxmemory", 0)
    assert await scripts_of(redis).swap_repo("ceph", late) is None
    assert await store.repos.refs("ceph", None) == []
    assert await store.repos.projects(None) == []


async def test_what_is_new_is_refused_as_a_whole(store: Store, redis: Any) -> None:
    """A new repo or build is told to come again, and nothing of it is there; then it is taken."""
    await put(store)
    await build(store)
    await fill_up(redis)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await put(store, sha1="b2")
        with pytest.raises(Unavailable):
            await build(store, sha1="b2")
        with pytest.raises(Unavailable):
            await put(store, "new")
    await redis.config_set("maxmemory", 0)
    assert (await put(store, sha1="b2")).id == 2


async def test_builds_are_removed(store: Store, redis: Any) -> None:
    """A build can be deleted, queued or not."""
    await build(store)
    await store.builds.put("ceph", PostedBuild(url="https://ci/2/", ref="main", sha1="b2", status="queued"))
    await fill_up(redis)
    await store.builds.delete("ceph", 1)
    await store.builds.delete("ceph", 2)
    assert await store.builds.refs("ceph") == []


async def test_retention_makes_room(store: Store, redis: Any) -> None:
    """It takes the right to run, removes a sha1 with repos and one with builds alone, and logs both."""
    for sha1 in ("a1", "b2"):
        await build(store, sha1=sha1)
        if sha1 == "a1":
            await put(store, sha1="a0", modified=SENT)
            await put(store, sha1="b0")
    await fill_up(redis)
    full = Store(redis, CONFIG, RELEASES)
    assert await full.rights.hold(keys.RETAINING, "token", 60) == 0
    assert await full.rights.hold(keys.RETAINING, "token", 60) == 0
    now = await full.removals.now("ceph")
    for sha1 in ("a1", "a0"):
        assert await full.removals.remove("ceph", "main", sha1, NEWEST, now)
    assert await full.repos.sha1s("ceph", "main", None) == ["b0"]
    assert await full.builds.sha1s("ceph", "main") == ["b2"]
    assert [entry.sha1 for _, entry in await full.removals.log("ceph")] == ["a1", "a0"]


async def test_the_service_tells_what_it_could_not_take(store: Store, redis: Any) -> None:
    """A deletion is 200; a new record is 503 with Retry-After, in both dialects."""
    repo = REPO | {"chacra_url": "https://c/1/", "status": "ready"}
    async with served(store) as url, AsyncClient(base_url=url, auth=("builder", "secret")) as client:
        assert (await client.post("/repos/ceph/", json=repo)).status_code == 201
        await fill_up(redis)
        for path in ("/repos/ceph/", "/api/repos/ceph/"):
            answer = await client.post(path, json=repo | {"chacra_url": "https://c/2/"})
            assert (answer.status_code, answer.headers["Retry-After"].isdigit()) == (503, True)
        gone = {"chacra_url": "https://c/1/", "status": "deleted", "modified": "2099-01-01T00:00:00Z"}
        assert (await client.post("/api/repos/ceph/", json=gone)).status_code == 200
        assert (await client.get("/repos/")).json() == []
