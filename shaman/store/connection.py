"""The connection to the store: one bounded pool per process, and one place that decides what a failure means."""

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shaman.errors import Invalid, Unavailable
from shaman.store.wakeups import Tag, note_read

POOL_WAIT = 1.0
"""Seconds a request waits for a free connection before it is told to come again."""

REPLY_WAIT = 1.5
"""Seconds the store may take for one reply: with one repetition a request still ends within the promised 2 s
when the store refuses connections, and is cut once when it hangs."""

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
            socket_timeout=REPLY_WAIT,
            socket_connect_timeout=POOL_WAIT,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
    except ValueError:
        message = "redis.url (REDIS_URL): must be like redis://host:6379/0, rediss://host:6380/0 or unix:///path"
        raise Invalid(message) from None
    return Redis.from_pool(pool)


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
        return await call()
    except exceptions.ConnectionError as error:
        if not repeat:
            raise Unavailable(f"the store is away: {type(error).__name__}") from error
    except exceptions.RedisError as error:
        if is_away(error):
            raise Unavailable(f"the store is away: {type(error).__name__}") from error
        raise
    return await ask(call, repeat=False, reads=reads)
