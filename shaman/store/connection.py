"""The connection to the store: one bounded pool per process, and one place that decides what a failure means."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shaman.errors import Invalid, Unavailable
from shaman.store.cluster import Cluster
from shaman.store.documents import damaged
from shaman.store.forms import FORMS, cluster_client, sentinel_client, take_apart
from shaman.store.sentinel import SentinelPool
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
    exceptions.AskError,
    exceptions.NoPermissionError,
)
_AWAY_PREFIXES = ("NOREPLICAS", "MASTERDOWN", "READONLY", "OOM", "LOADING", "CLUSTERDOWN", "MISCONF", "NOPERM")
_NO_RIGHT = ("The user executing the script can't run this command", "ACL failure in script")
"""How Redis 7.0 and later ones say inside a script that the user may not do something."""

Result = TypeVar("Result")


def connect(url: str, connections: int) -> Redis:
    """Return a client of the store at `url` with at most `connections`, of a cluster to each of its nodes.

    The client repeats nothing by itself: its default of ten times would run a write more than once.
    Raises Invalid if `url` cannot be that of a store; as it may hold a password, the error does not repeat it.
    """
    settings: dict[str, Any] = {
        "max_connections": connections,
        "timeout": POOL_WAIT,
        "socket_connect_timeout": POOL_WAIT,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }
    try:
        client = _client(url, settings)
        client.connection_pool.make_connection()  # an option that it does not know would stop the first request only
    except (ValueError, TypeError, exceptions.RedisError):
        raise Invalid(f"redis.url (REDIS_URL): must be like {', '.join(FORMS[:-1])} or {FORMS[-1]}") from None
    return client


def _client(url: str, settings: Mapping[str, Any]) -> Redis:
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ValueError("a URL has a scheme")
    if scheme in {"redis+sentinel", "rediss+sentinel"}:
        return sentinel_client(take_apart(url), settings)
    if scheme in {"redis+cluster", "rediss+cluster"}:
        return cluster_client(take_apart(url), settings)
    return Redis.from_pool(BlockingConnectionPool.from_url(url, **settings))


class _Once(Retry):
    """Fails at once: redis-py connects again before it says that a connection broke, and a listener must know first."""

    async def call_with_retry(self, do: Callable[[], Awaitable[Result]], *_: Any, **__: Any) -> Result:
        """Return what `do` returns."""
        return await do()


def listening(client: Redis) -> Redis:
    """Return a client of the same store with one connection of its own, which breaks audibly."""
    own = {"max_connections": 1, "retry": _Once(NoBackoff(), 0), "socket_timeout": REPLY_WAIT}
    if isinstance(client, Cluster):
        return client.listening(own)
    pool = client.connection_pool
    if isinstance(pool, SentinelPool):
        return Redis.from_pool(pool.listening(own))
    settings = pool.connection_kwargs | own
    return Redis.from_pool(ConnectionPool(connection_class=pool.connection_class, **settings))


def is_away(error: exceptions.RedisError) -> bool:
    """Tell whether `error` means that the store cannot answer now, and not that the question was wrong."""
    return isinstance(error, _AWAY) or str(error).startswith((*_AWAY_PREFIXES, *_NO_RIGHT))


async def ask(call: Callable[[], Awaitable[Result]], *, repeat: bool = True, reads: Collection[Tag] = ()) -> Result:
    """Return what `call` returns, called once more if the connection broke and `repeat` is true.

    Raises Unavailable when the store is away, Damaged when what it has fits no question. A call that must not
    run twice says repeat=False. `reads` are the tags of what is read; an answer made from anything without is not kept.
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
        if isinstance(error, exceptions.ResponseError):  # a key of another type, or members that no script has written
            raise damaged(error) from error
        raise


async def ask_each(client: Redis, commands: Iterable[Sequence[str | int | bytes]]) -> list[Any]:
    """Send many commands in one round trip and return their answers; what is made from them is not kept."""
    each = list(commands)

    async def send() -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for command in each:
            pipeline.execute_command(*command)
        answers: list[Any] = await pipeline.execute()
        return answers

    return await ask(send) if each else []
