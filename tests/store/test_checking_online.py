"""The check of a store beside those who write to it: no false alarm, no lost write, no long step."""

import asyncio
import random
from typing import Any

import pytest

from shaman.models import Health
from shaman.store import Store, keys
from shaman.store.checking.records import LINES
from shaman.store.checking.steps import LOOK
from tests.conftest import CONFIG, RELEASES
from tests.store.test_checking import PROJECTS, RULES, assert_mended, build, content, faults_of, fill, repo

ROUNDS = 60
"""Writes of each writer."""


async def write(store: Store, seed: int) -> None:
    """Post, move and delete repos, builds and nodes at random."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(ROUNDS):
        number, project = chance.randrange(1, 30), chance.choice(PROJECTS)
        status = chance.choice(["ready", "ready", "failed", "deleted"])
        moved = repo(number, status=status, sha1=f"m{chance.randrange(3)}", ref=chance.choice(["main", "new"]))
        await store.repos.put(project, moved, RULES)
        await store.builds.put(project, build(number, status=chance.choice(["queued", "started", "completed"])))
        await store.builds.delete(project, chance.randrange(1, 30))
        health = Health(healthy=chance.random() < 0.5, last_check=number)
        await store.nodes.put(f"n{number}", lambda _, health=health: health, registered=5)  # type: ignore[misc]


async def check_beside(store: Store, redis: Any, *, repair: bool = False) -> list[str]:
    """Check again and again while others write; every fault."""
    writers = [asyncio.create_task(write(Store(redis, CONFIG, RELEASES), seed)) for seed in range(4)]
    told: list[str] = []
    while not all(writer.done() for writer in writers):
        told += [str(fault) for fault in await faults_of(store, repair=repair)]
    await asyncio.gather(*writers)
    return told


@pytest.mark.parametrize("repair", [False, True])
async def test_there_is_no_false_alarm(store: Store, redis: Any, *, repair: bool) -> None:
    """Whatever others write, move and delete meanwhile, a store that is right is never called wrong."""
    await fill(store)
    assert await check_beside(store, redis, repair=repair) == []


async def test_a_trimmed_stream_is_no_false_alarm(store: Store, redis: Any) -> None:
    """What the stream loses while it is read is not missed."""
    await fill(store)

    async def trim() -> None:
        while True:
            await redis.xtrim(keys.changes("ceph"), maxlen=1, approximate=False)
            await asyncio.sleep(0.001)

    trimming = asyncio.create_task(trim())
    told = await check_beside(store, redis)
    trimming.cancel()
    assert told == []


async def test_a_repair_beside_writers_loses_no_write(store: Store, redis: Any) -> None:
    """What is damaged is mended while others write, and in the end everything is right."""
    await fill(store)
    for name in (keys.modified("ceph"), keys.sha1s("ceph"), keys.build_modified("ceph"), keys.build_refs("ceph")):
        await redis.delete(name)
        await redis.zadd(name, {"777": 5})
    assert await check_beside(store, redis, repair=True)
    assert await assert_mended(store, redis) == []


async def test_what_was_answered_from_memory_is_asked_again_after_a_mend(store: Store, redis: Any) -> None:
    """Every process forgets what it has read before: anything may have changed."""
    await fill(store)
    other = Store(redis, CONFIG, RELEASES)
    forgotten = asyncio.Event()
    listening = asyncio.create_task(other.wakeups.listen())
    try:
        async with asyncio.timeout(10):
            connected = asyncio.Event()
            other.wakeups.on_change(lambda tags: connected.set() if tags is None else None)
            await connected.wait()
            other.wakeups.on_change(lambda tags: forgotten.set() if tags is None else None)
            await redis.zrem(keys.modified("ceph"), "2")
            await faults_of(store)
            assert not forgotten.is_set()
            await faults_of(store, repair=True)
            await forgotten.wait()
    finally:
        listening.cancel()
        await asyncio.wait({listening})


def reads_of(client: Any) -> list[int]:
    """Return a list that grows with each script that `client` sends from now on, by the number of its keys."""
    numbers: list[int] = []
    pipeline = client.pipeline

    def counted(*arguments: Any, **options: Any) -> Any:
        made = pipeline(*arguments, **options)
        execute = made.execute_command

        def note(*command: Any, **options: Any) -> Any:
            if command[0] == "EVALSHA":
                numbers.append(int(command[2]))
            return execute(*command, **options)

        made.execute_command = note
        return made

    client.pipeline = counted
    return numbers


async def test_no_step_is_long(store: Store, redis: Any) -> None:
    """However many records there are, of a sha1 or of a ref, one step looks at a few hundred members at most."""
    await fill(store)
    posts = [
        store.repos.put("ceph", repo(number, sha1="same", ref="same"), RULES) for number in range(20, 20 + 4 * LINES)
    ]
    for first in range(0, len(posts), 50):
        await asyncio.gather(*posts[first : first + 50])
    before = await content(redis)
    numbers = reads_of(store._client)  # noqa: SLF001
    assert await faults_of(store) == []
    for name in (keys.rows("ceph", "same"), keys.cells("ceph", "same"), keys.modified("ceph"), keys.refs("ceph")):
        await redis.delete(name)
    await redis.hset(keys.rows("ceph", "main"), "s0", "x\n" * 4 * LINES)
    assert await faults_of(store, repair=True)
    assert max(numbers) < LOOK + 2 * LINES
    await assert_mended(store, redis)
    after = await content(redis)
    assert {name: after[name] for name in before if "changes" not in name} == before
