"""The URLs of stores that are more than one server: a cluster, and what sentinels watch over."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection, parse_url

from shaman.store.cluster import Address, Cluster
from shaman.store.sentinel import SentinelPool, sentinels_at

FORMS = (
    "redis://host:6379/0",
    "rediss://host:6380/0",
    "unix:///path",
    "redis+sentinel://host:26379,host:26379/service/0",
    "redis+cluster://host:6379,host:6379",
)
"""What a URL is like; the last two take `rediss+` for TLS."""

SENTINEL_PORT = 26379
SERVER_PORT = 6379


class Parts(Struct, frozen=True, kw_only=True):
    """A URL with several addresses; `options` are the settings of a connection that the rest of it tells."""

    addresses: Sequence[Address]
    path: Sequence[str]
    options: dict[str, Any]


def take_apart(url: str) -> Parts:
    """Take `scheme://[user:password@]host:port,host:port/a/b?option=value` apart. Raises ValueError if it is not so."""
    split = urlsplit(url)
    user, _, hosts = split.netloc.rpartition("@")
    family, _, kind = split.scheme.partition("+")
    port = SENTINEL_PORT if kind == "sentinel" else SERVER_PORT
    path = [unquote(part) for part in split.path.split("/") if part]
    db = path[1] if kind == "sentinel" and len(path) > 1 else "0"
    plain = SplitResult(family, f"{user}@{hosts.split(',')[0]}", f"/{int(db)}", split.query, "")
    options: dict[str, Any] = {**parse_url(plain.geturl())}
    for name in ("host", "port"):
        options.pop(name, None)
    return Parts(addresses=[_address(host, port) for host in hosts.split(",")], path=path, options=options)


def cluster_client(parts: Parts, settings: Mapping[str, Any]) -> Redis:
    """Return a client of the cluster that has nodes at these addresses. Raises ValueError if there is a path."""
    if parts.path or parts.options.get("db"):
        raise ValueError("a cluster has no databases")
    return Cluster(parts.addresses, {**settings, **parts.options})


def sentinel_client(parts: Parts, settings: Mapping[str, Any]) -> Redis:
    """Return a client of the master of a service, named by the path. Raises ValueError if there is no such name."""
    service, *_ = parts.path or [""]
    if not service or len(parts.path) > 2:  # noqa: PLR2004 - the service and the database
        raise ValueError("the path must be the name of the service, and may be followed by the database")
    options = dict(parts.options)
    own = {name: options.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in options}
    encrypted = options.pop("connection_class", None) is SSLConnection
    if encrypted:
        own |= {name: value for name, value in options.items() if name.startswith("ssl_")} | {"ssl": True}
    pool = SentinelPool(service, sentinels_at(parts.addresses, own), ssl=encrypted, **{**settings, **options})
    return Redis.from_pool(pool)


def _address(text: str, otherwise: int) -> Address:
    split = urlsplit(f"//{text}")
    if not split.hostname:
        raise ValueError("a host has no name")
    return split.hostname, split.port or otherwise
