"""The pool of nodes in the store, on every backend."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from shaman.errors import NotFound
from shaman.models import Health
from shaman.store import Store, keys
from tests.conftest import CONFIG, RELEASES

CONFIGURED = ["chacra01.ceph.com", "chacra02.ceph.com", "chacra03.ceph.com"]
UP, DOWN = Health(last_check=1), Health(healthy=False, down_count=3, last_check=2)


async def put(store: Store, host: str, health: Health, registered: int | None = None) -> None:
    """Write what is known of a node."""
    await store.nodes.put(host, lambda _: health, registered)


async def take(store: Store, count: int) -> list[str]:
    """Take nodes one after the other, and return their hosts."""
    return [str(await store.nodes.take()).removeprefix("https://") for _ in range(count)]


async def changes(redis: Any) -> list[tuple[str, str]]:
    """Return host and status of every entry of the change stream."""
    events = [msgspec.json.decode(entry[b"event"]) for _, entry in await redis.xrange(keys.NODE_CHANGES)]
    assert all(event["kind"] == "node" for event in events)
    return [(event["host"], event["status"]) for event in events]


async def test_registered_nodes_come_behind_the_configured(store: Store) -> None:
    """The pool is the configuration in its order, then the others in the order in which they first came."""
    await put(store, "new.ceph.com", UP, registered=10)
    await put(store, "newer.ceph.com", UP, registered=20)
    await put(store, "new.ceph.com", replace(UP, last_check=30), registered=30)
    pool = await store.nodes.find()
    assert [node.host for node in pool.nodes] == [*CONFIGURED, "new.ceph.com", "newer.ceph.com"]
    assert [node.registered for node in pool.nodes] == [False, False, False, True, True]
    assert pool.nodes[3].health == replace(UP, last_check=30)
    assert await take(store, 5) == [node.host for node in pool.nodes]


async def test_a_configured_node_that_registers_is_one_node(store: Store) -> None:
    """It stays at its place and under its own URL."""
    await put(store, CONFIGURED[1], UP, registered=10)
    pool = await store.nodes.find()
    assert [(node.host, node.registered) for node in pool.nodes] == list(
        zip(CONFIGURED, (False, True, False), strict=True)
    )


async def test_a_node_that_is_down_gets_no_turn(store: Store) -> None:
    """It stays in the pool, and its turns go to the others, evenly."""
    await put(store, CONFIGURED[0], DOWN)
    assert set(await take(store, 2)) == set(CONFIGURED[1:])
    assert not (await store.nodes.get(CONFIGURED[0])).health.healthy
    await put(store, CONFIGURED[0], replace(UP, last_check=3))
    assert sorted(await take(store, 3)) == CONFIGURED


async def test_nothing_is_taken_when_every_node_is_down(store: Store) -> None:
    """There is no turn to take, and none is counted."""
    for host in CONFIGURED:
        await put(store, host, DOWN)
    assert await store.nodes.take() is None
    assert await store.nodes.take(peek=True) is None
    await put(store, CONFIGURED[2], UP)
    assert await take(store, 2) == [CONFIGURED[2]] * 2


async def test_turns_are_even_whoever_takes_them(redis: Redis) -> None:
    """However many processes call at once, N successive calls take each of N nodes once."""
    stores = [Store(redis, CONFIG, RELEASES) for _ in range(3)]
    await put(stores[0], "new.ceph.com", UP, registered=1)
    taken = await asyncio.gather(*(stores[number % 3].nodes.take() for number in range(80)))
    assert Counter(taken) == {f"https://{host}": 20 for host in [*CONFIGURED, "new.ceph.com"]}


async def test_a_peek_takes_no_turn(store: Store) -> None:
    """It tells who would be next, and leaves no trace."""
    for host in (*CONFIGURED, CONFIGURED[0]):
        assert await store.nodes.take(peek=True) == f"https://{host}"
        assert (await store.nodes.get(host)).last_used is None or host == CONFIGURED[0]
        assert await take(store, 1) == [host]


async def test_a_taken_node_has_been_used(store: Store) -> None:
    """The store's clock says when, in the same step."""
    before = (await store.nodes.find()).now
    await take(store, 1)
    pool = await store.nodes.find()
    used = [node.last_used for node in pool.nodes]
    assert used[0]
    assert before <= used[0] <= pool.now
    assert used[1:] == [None, None]


async def test_a_node_that_is_nowhere_is_not_found(store: Store) -> None:
    """The error names it; knowing the health of a host does not bring it into the pool."""
    await put(store, "former.ceph.com", DOWN)
    with pytest.raises(NotFound, match="no such node: former"):
        await store.nodes.get("former.ceph.com")


async def test_only_what_changes_the_rotation_is_an_event(store: Store, redis: Any) -> None:
    """Coming, going down and going up are one entry each; a check that finds nothing new is none."""
    await put(store, "new.ceph.com", UP, registered=1)
    await put(store, "new.ceph.com", replace(UP, last_check=2), registered=2)
    for health in (DOWN, replace(DOWN, down_count=4), UP):
        await put(store, "new.ceph.com", health)
    assert await changes(redis) == [("new.ceph.com", status) for status in ("up", "down", "up")]


async def test_a_change_wakes_who_listens(store: Store, redis: Any) -> None:
    """The entry of the stream is published as it stands."""
    async with redis.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe(keys.CHANNEL)
        await listener.get_message(timeout=5)
        await put(store, CONFIGURED[0], DOWN)
        message = await listener.get_message(timeout=5)
    assert msgspec.json.decode(message["data"]) == {
        "kind": "node",
        "host": CONFIGURED[0],
        "status": "down",
        "modified": 2,
    }


async def test_a_verdict_sees_what_others_wrote_meanwhile(store: Store) -> None:
    """A write never lays itself over one that it has not read: it judges again."""
    seen: list[Health] = []

    def verdict(known: Health) -> Health:
        seen.append(known)
        return Health(down_count=known.down_count + 1, last_check=len(seen))

    await asyncio.gather(*(store.nodes.put("new.ceph.com", verdict, 1) for _ in range(5)))
    assert (await store.nodes.get("new.ceph.com")).health.down_count == 5


async def test_a_verdict_of_nothing_new_writes_nothing(store: Store, redis: Any) -> None:
    """What a late check found is dropped; a registration counts all the same."""
    await put(store, CONFIGURED[0], UP)
    await store.nodes.put(CONFIGURED[0], lambda _: None)
    assert not (await store.nodes.get(CONFIGURED[0])).registered
    await store.nodes.put(CONFIGURED[0], lambda _: None, 5)
    node = await store.nodes.get(CONFIGURED[0])
    assert (node.health, node.registered) == (UP, True)
    assert await changes(redis) == [(CONFIGURED[0], "up")]


async def test_a_write_that_the_client_sends_twice_is_one(store: Store, redis: Any) -> None:
    """A reply that got lost makes no second event and no wrong answer."""
    scripts: Any = store.nodes._scripts  # noqa: SLF001 - the only way to lose a reply
    once = scripts._swap_node  # noqa: SLF001

    async def twice(names: Any, arguments: Any) -> Any:
        await once(names, arguments)
        return await once(names, arguments)

    scripts._swap_node = twice  # noqa: SLF001
    await put(store, "new.ceph.com", DOWN, registered=1)
    assert await changes(redis) == [("new.ceph.com", "down")]


async def test_one_process_at_a_time_checks(store: Store, redis: Any) -> None:
    """Who has the right keeps it by asking again; the others are told how long to wait, until it has run out."""
    assert await store.rights.hold(keys.NODES_CHECKING, "first", 60) == 0
    assert 0 < await store.rights.hold(keys.NODES_CHECKING, "second", 60) <= 60
    assert await store.rights.hold(keys.NODES_CHECKING, "first", 60) == 0
    await redis.pexpire(keys.NODES_CHECKING, 0)  # as if its time were over
    assert await store.rights.hold(keys.NODES_CHECKING, "second", 60) == 0
    assert await store.rights.hold(keys.NODES_CHECKING, "first", 60) > 0


async def test_a_deleted_node_leaves_nothing_but_an_event(store: Store, redis: Any) -> None:
    """A check that was on its way by then does not bring it back; only a registration does."""
    await store.nodes.put("gone.example.org", lambda _: Health(healthy=False), registered=5)
    await store.nodes.delete("gone.example.org")
    await store.nodes.put("gone.example.org", lambda _: Health(healthy=False, down_count=2))
    for name in (keys.NODES_KNOWN, keys.NODE_FACTS, keys.NODES_DOWN, keys.NODES_USED):
        assert await redis.exists(name) == 0
    [(_, fields)] = await redis.xrevrange(keys.NODE_CHANGES, count=1)
    assert msgspec.json.decode(fields[b"event"]) == {
        "kind": "node",
        "host": "gone.example.org",
        "status": "deleted",
        "modified": None,
    }
    with pytest.raises(NotFound):
        await store.nodes.delete("gone.example.org")
