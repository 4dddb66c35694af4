"""Calls of the same moment: one round trip for all, an answer or a failure for each."""

import asyncio
from typing import Any

import pytest
from redis import exceptions
from redis.asyncio import Redis

from shaman.store.batches import IN_FLIGHT, LONGEST, Batches, Script
from shaman.store.connection import connect
from tests.backends import admin_url
from tests.store.trips import trips_of


async def test_calls_of_one_moment_share_a_round_trip(redis: Redis) -> None:
    """Each gets its own answer."""
    batches, trips = Batches(redis), trips_of(redis)
    answers = await asyncio.gather(*(batches.call("INCR", f"{{key}}{number % 2}") for number in range(6)))
    assert answers == [1, 1, 2, 2, 3, 3]
    assert trips == [["INCR"] * 6]
    await redis.delete("{key}0", "{key}1")


async def test_a_failure_is_its_own(redis: Redis) -> None:
    """What one call does wrong the others do not notice."""
    batches = Batches(redis)
    await batches.call("SET", "text", "a")
    calls = (batches.call("GET", "text"), batches.call("INCR", "text"), batches.call("GET", "text"))
    answers: list[Any] = list(await asyncio.gather(*calls, return_exceptions=True))
    assert answers[::2] == [b"a", b"a"]
    assert isinstance(answers[1], exceptions.ResponseError)
    await redis.delete("text")


async def test_many_calls_take_few_connections(redis: Redis) -> None:
    """However many wait, only so many batches are on their way, none of them too long, and nobody is forgotten."""
    batches, trips = Batches(redis), trips_of(redis)
    answers = await asyncio.gather(*(batches.call("ECHO", str(number)) for number in range(LONGEST * IN_FLIGHT * 3)))
    assert answers == [str(number).encode() for number in range(LONGEST * IN_FLIGHT * 3)]
    assert {len(trip) for trip in trips} == {LONGEST}


async def test_who_goes_away_leaves_the_others_alone(redis: Redis) -> None:
    """A call that is cancelled costs nobody else the answer."""
    batches = Batches(redis)
    tasks = [asyncio.create_task(batches.call("ECHO", str(number))) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[::2] == [b"0", b"2"]
    assert isinstance(answers[1], asyncio.CancelledError)


async def test_a_store_that_is_away_fails_each_call() -> None:
    """Nobody waits for an answer that does not come, and the next call tries again."""
    batches = Batches(connect("unix:///nowhere/at/all.sock", 2))
    for _ in range(3):
        answers = await asyncio.gather(*(batches.call("PING") for _ in range(100)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {exceptions.ConnectionError}


async def test_nobody_waits_for_ever(redis: Redis) -> None:
    """Whatever goes wrong with a batch, each of its calls ends."""
    batches = Batches(redis)
    calls = [batches.call("ECHO", "a"), batches.call("ECHO", "\ud800")]
    answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 20)
    assert {type(answer) for answer in answers} == {UnicodeEncodeError}
    assert await batches.call("ECHO", "a") == b"a"


async def test_a_lost_script_is_loaded_again(redis: Redis) -> None:
    """A server that has forgotten its scripts is told them, and the call is answered."""
    script = Script(redis, Batches(redis), "find_members")
    for _ in range(2):
        assert await script(["{a}:documents", "{a}:members"]) == []
        await redis.script_flush()


@pytest.mark.parametrize("connections", [1, 3])
async def test_nobody_starves(server_url: str, connections: int) -> None:
    """With fewer connections than callers, each caller is served in turn."""
    client = connect(admin_url(server_url), connections)
    batches = Batches(client)

    async def caller(number: int) -> list[Any]:
        return [await batches.call("ECHO", str(number)) for _ in range(50)]

    answers = await asyncio.gather(*(caller(number) for number in range(200)))
    assert answers == [[str(number).encode()] * 50 for number in range(200)]
    await client.aclose()
