"""The connection to the store: one bounded pool per process, and one place that decides what a failure means."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shaman.errors import Invalid, Unavailable
from shaman.store.wakeups import Tag, note_read

POOL_WAIT = 1.0
"""Seconds a request waits for a free connection before it is told to come again."""

REPLY_WAIT = 1.5
"""Seconds the store may take for a batch of calls, or a wake-up: with one repetition a request still ends within the
promised 2 s when the store refuses connections, and is cut once when it hangs. Whoever waits for a reply watches the
time himself, as the client would with a timer for each."""

ANSWER_WAIT = 1.8
"""Seconds for an answer of the store in all, repeated or not, behind others or not; a request ends within 2."""

_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
)
_AWAY_PREFIXES = ("NOREPLICAS", "MASTERDOWN", "READONLY", "OOM", "LOADING", "CLUSTERDOWN", "MISCONF")

Result = TypeVar("Result")


def connect(url: str, connections: int) -> Redis:
    """Return a client of the server at `url` with a pool of at most `connections`.

    The client repeats nothing by itself: its default of ten times would run a write more than once.
    Raises Invalid if `url` cannot be that of a server; as it may hold a password, the error does not repeat it.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=POOL_WAIT,
            socket_connect_timeout=POOL_WAIT,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
    except ValueError:
        message = "redis.url (REDIS_URL): must be like redis://host:6379/0, rediss://host:6380/0 or unix:///path"
        raise Invalid(message) from None
    return Redis.from_pool(pool)


class _Once(Retry):
    """Fails at once: redis-py connects again before it says that a connection broke, and a listener must know first."""

    async def call_with_retry(self, do: Callable[[], Awaitable[Result]], *_: Any, **__: Any) -> Result:
        """Return what `do` returns."""
        return await do()


def listening(client: Redis) -> Redis:
    """Return a client of the same server with one connection of its own, which breaks audibly."""
    pool = client.connection_pool
    settings = pool.connection_kwargs | {"retry": _Once(NoBackoff(), 0), "socket_timeout": REPLY_WAIT}
    return Redis.from_pool(ConnectionPool(connection_class=pool.connection_class, max_connections=1, **settings))


def is_away(error: exceptions.RedisError) -> bool:
    """Tell whether `error` means that the store cannot answer now, and not that the question was wrong."""
    return isinstance(error, _AWAY) or str(error).startswith(_AWAY_PREFIXES)


async def ask(call: Callable[[], Awaitable[Result]], *, repeat: bool = True, reads: Collection[Tag] = ()) -> Result:
    """Return what `call` returns, called once more if the connection broke and `repeat` is true.

    Raises Unavailable when the store is away. A call that must not run twice says repeat=False. `reads` are the tags
    of what is read; an answer made from anything without tags is not kept.
    """
    note_read(reads)
    try:
        async with asyncio.timeout(ANSWER_WAIT):
            try:
                return await call()
            except exceptions.ConnectionError:
                if not repeat:
                    raise
            return await call()
    except TimeoutError as error:
        raise Unavailable("the store does not answer") from error
    except exceptions.RedisError as error:
        if is_away(error):
            raise Unavailable(f"the store is away: {type(error).__name__}") from error
        raise
