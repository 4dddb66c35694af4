"""Long lists of names: complete, in order, in steps."""

from typing import Any

import pytest
from redis.asyncio import Redis

from shaman.store import names
from shaman.store.batches import Batches
from shaman.store.names import newest_names
from tests.store.trips import trips_of

KEY, CHANGES = "{list}:names", "{list}:changes"


@pytest.fixture(autouse=True)
def _short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "STEP", 5)


async def listed(batches: Batches) -> list[str]:
    """Return the names that are listed."""
    return await newest_names(batches, KEY, CHANGES, ())


async def renew(redis: Redis, scores: dict[str, int]) -> None:
    """Change the sorted set, and tell so."""
    await redis.zadd(KEY, scores)
    await redis.xadd(CHANGES, {"event": "{}"})


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 11, 25, 103])
@pytest.mark.parametrize("same", [1, 3, 40])
async def test_every_name_is_listed_newest_first(redis: Redis, count: int, same: int) -> None:
    """However many there are, and however many are of one time."""
    scores = {f"n{number:03}": 10**15 + number // same for number in range(count)}
    if scores:
        await renew(redis, scores)
    assert await listed(Batches(redis)) == sorted(scores, key=lambda name: (scores[name], name), reverse=True)
    await redis.delete(KEY, CHANGES)


async def test_a_short_list_is_one_round_trip(redis: Redis) -> None:
    """What fits into a step is read at once."""
    await renew(redis, dict.fromkeys("abcd", 1))
    trips = trips_of(redis)
    assert len(await listed(Batches(redis))) == 4
    assert trips == [["ZREVRANGE"]]
    await redis.delete(KEY, CHANGES)


@pytest.mark.parametrize("busy", [1, 3, 100])
@pytest.mark.parametrize("after", range(1, 9))
async def test_a_list_is_of_one_state(redis: Redis, after: int, busy: int) -> None:
    """However often names come, go and are renewed, to the front or far behind, each is told once, in order."""
    scores = {f"n{number:02}": 100 + number for number in range(30)}
    await renew(redis, scores)
    batches = Batches(redis)
    call, calls = batches.call, 0

    async def disturbed(*command: Any) -> Any:
        nonlocal calls
        calls += 1
        if after <= calls < after + busy:
            change = {"n02": 1000 + calls, "n29": 3, f"new{calls}": 120}
            scores.update(change)
            await renew(redis, change)
        return await call(*command)

    batches.call = disturbed  # type: ignore[method-assign]
    found = await listed(batches)
    assert set(found) >= {f"n{number:02}" for number in range(30)}
    if calls >= after + busy:
        assert found == sorted(scores, key=lambda name: (scores[name], name), reverse=True)
    await redis.delete(KEY, CHANGES)
