"""Long lists of names: complete, in order, in steps."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from shaman.store import names
from shaman.store.batches import Batches
from shaman.store.names import newest_names
from tests.store.trips import trips_of

KEY = "names"


@pytest.fixture(autouse=True)
def _short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "STEP", 5)


async def fill(redis: Redis, scores: dict[str, int]) -> None:
    """Make the sorted set."""
    await redis.zadd(KEY, scores)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 11, 25, 103])
@pytest.mark.parametrize("same", [1, 3, 40])
async def test_every_name_is_listed_newest_first(redis: Redis, count: int, same: int) -> None:
    """However many there are, and however many are of one time."""
    scores = {f"n{number:03}": 10**15 + number // same for number in range(count)}
    if scores:
        await fill(redis, scores)
    listed = await newest_names(Batches(redis), KEY, ())
    assert listed == sorted(scores, key=lambda name: (scores[name], name), reverse=True)
    await redis.delete(KEY)


async def test_a_short_list_is_one_round_trip(redis: Redis) -> None:
    """What fits into a step is read at once."""
    await fill(redis, dict.fromkeys("abcd", 1))
    trips = trips_of(redis)
    assert len(await newest_names(Batches(redis), KEY, ())) == 4
    assert trips == [["ZREVRANGE"]]
    await redis.delete(KEY)


@pytest.mark.parametrize("after", range(1, 8))
async def test_what_is_renewed_meanwhile_is_in_the_list(redis: Redis, after: int) -> None:
    """A name that goes to the front between two steps is neither lost nor told twice."""
    await fill(redis, {f"n{number:02}": 100 + number for number in range(30)})
    batches = Batches(redis)
    call, calls = batches.call, 0

    async def disturbed(*command: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after:
            await fill(redis, {"n02": 1000, "n29": 1001, "new": 1002})
        return await call(*command)

    batches.call = disturbed  # type: ignore[method-assign]
    listed = await asyncio.wait_for(newest_names(batches, KEY, ()), 20)
    assert sorted(set(listed) - {"new"}) == [f"n{number:02}" for number in range(30)]
    assert len(listed) == len(set(listed))
    await redis.delete(KEY)
