"""The connections to a master that sentinels name: a bounded pool, that follows it when another takes its place."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

SENTINEL_WAIT = 0.4
"""Seconds a sentinel may take; then another is asked, and a request ends within 2."""


class SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Asks a sentinel for the master before each connection, and lets whoever finds no free one wait a little."""

    def __init__(self, service: str, sentinels: Sentinel, **settings: Any) -> None:
        """Connect to the master of `service`; the first connection is made when it is needed."""
        super().__init__(service, sentinels, **settings)  # type: ignore[no-untyped-call]
        self._settings = settings

    def listening(self, own: Mapping[str, Any]) -> "SentinelPool":
        """Return a pool to the same master with settings of its own."""
        return SentinelPool(cast("str", self.service_name), self.sentinel_manager, **{**self._settings, **own})

    async def aclose(self) -> None:
        """Close the connections to the master and to the sentinels."""
        await super().aclose()
        await self.sentinel_manager.aclose()


def sentinels_at(addresses: Sequence[tuple[str, int]], settings: Mapping[str, Any]) -> Sentinel:
    """Return the sentinels at these addresses, which need `settings` to be connected to."""
    own = {
        "socket_connect_timeout": SENTINEL_WAIT,
        "socket_timeout": SENTINEL_WAIT,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }
    return Sentinel(addresses, sentinel_kwargs=own | dict(settings))
