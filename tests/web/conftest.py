"""The workers of tests that look at one or two of them."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from shaman.store.connection import connect
from tests.web.workers import Worker, working


@pytest.fixture
async def worker(redis: Redis) -> AsyncIterator[Worker]:
    """Return a worker on a store of each kind."""
    async with working(redis) as one:
        yield one


@pytest.fixture
async def workers(server_url: str) -> AsyncIterator[tuple[Worker, Worker]]:
    """Return two workers on one empty store."""
    first, second = connect(server_url, 16), connect(server_url, 16)
    await first.flushall()
    async with working(first) as one, working(second) as other:
        yield one, other
