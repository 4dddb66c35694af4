"""What a URL of a store may be like."""

from pathlib import Path

import pytest
import trustme

from shaman.errors import Invalid, Unavailable
from shaman.store import Store
from shaman.store.cluster import Cluster
from shaman.store.connection import connect
from shaman.store.sentinel import SentinelPool
from tests import backends
from tests.conftest import CONFIG, RELEASES


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://user:s3cret@host/",
        "redis:s3cret",
        "redis://user:s3cret@host:port/",
        "redis://user:s3cret@host:99999/",
        "redis://user:s3cret@host/?unknown=option",
        "redis://user:s3cret@host/?socket_timeout=long",
        "rediss://user:s3cret@host/?ssl_cert_reqs=sometimes",
        "redis+sentinel://user:s3cret@host:26379",
        "redis+sentinel://user:s3cret@host:26379/service/first",
        "redis+sentinel://user:s3cret@host:26379/service/0/more",
        "redis+sentinel://user:s3cret@,host:26379/service",
        "redis+sentinel://user:s3cret@host:26379/service?unknown=option",
        "redis+cluster://user:s3cret@host:port",
        "redis+cluster://user:s3cret@/",
        "redis+cluster://user:s3cret@host/1",
        "redis+cluster://user:s3cret@host?db=1",
        "redis+cluster://user:s3cret@host?unknown=option",
        "unix+cluster://user:s3cret@/path",
    ],
)
def test_an_unusable_url_is_refused_without_its_password(url: str) -> None:
    """It says at once what a URL is like, and does not repeat what may be secret."""
    with pytest.raises(Invalid, match=r"REDIS_URL.*redis\+cluster://") as caught:
        connect(url, 4)
    assert "s3cret" not in str(caught.value)


def test_what_a_url_of_several_servers_says() -> None:
    """Addresses, credentials as they are, the database, and those that the sentinels ask for."""
    client = connect("redis+sentinel://u%40:p%2F,@h1,h2:1/my%20service/3?sentinel_username=a&sentinel_password=b", 4)
    pool = client.connection_pool
    assert isinstance(pool, SentinelPool)
    settings = pool.connection_kwargs
    assert (pool.service_name, settings["db"], settings["username"], settings["password"]) == (
        "my service",
        3,
        "u@",
        "p/,",
    )
    asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [("h1", 26379), ("h2", 1)]
    assert {(each["username"], each["password"]) for each in asked} == {("a", "b")}
    cluster = connect("rediss+cluster://:p@h1:7000,[::1]?ssl_cert_reqs=none", 4)
    assert isinstance(cluster, Cluster)
    assert sorted(cluster.addresses) == [("::1", 6379), ("h1", 7000)]
    assert cluster.connection_pool.make_connection().password == "p"


async def test_a_certificate_is_checked_unless_the_url_says_otherwise(
    ca: trustme.CA, tls_url: str, tmp_path: Path
) -> None:
    """One that nobody vouches for makes the store unavailable; its authority, or an explicit `none`, lets it pass."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    plain = tls_url.partition("?")[0]
    for url in (tls_url, f"{plain}?ssl_ca_certs={tmp_path / 'ca.pem'}"):
        store = Store(connect(url, 2), CONFIG, RELEASES)
        await store.ping()
        await store.close()
    store = Store(connect(plain, 2), CONFIG, RELEASES)
    with pytest.raises(Unavailable):
        await store.ping()
    await store.close()


async def test_credentials_of_sentinels_and_of_what_they_watch_are_different() -> None:
    """Each gets its own, and with none, or the wrong ones, the store is unavailable."""
    with backends.watched("--requirepass", "one", "--masterauth", "one", sentinel_password="two") as (_, _, url):
        right = url.replace("//", "//:one@") + "?sentinel_password=two"
        for wrong in (url, right.replace("one", "two"), right.replace("=two", "=one")):
            store = Store(connect(wrong, 2), CONFIG, RELEASES)
            with pytest.raises(Unavailable):
                await store.ping()
            await store.close()
        store = Store(connect(right, 2), CONFIG, RELEASES)
        await store.ping()
        await store.close()
