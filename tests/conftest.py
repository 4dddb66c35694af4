"""The backends every store test runs on, and the ways every HTTP test is served."""

import asyncio
import base64
import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import trustme
from fakeredis import FakeAsyncRedis, FakeServer
from hypercorn.asyncio import serve
from hypercorn.config import Config as HypercornConfig
from redis.asyncio import Redis

from shaman.app import create_app
from shaman.config import Auth, Config, Server, User, hash_key
from shaman.distros import Releases
from shaman.store import Store, keys
from shaman.store.connection import connect
from shaman.store.schema import VERSION
from tests import backends
from tests.backends import free_port
from tests.store.audit import audit

RELEASES = Releases()

CONFIG = Config(
    chacra_nodes=("https://chacra01.ceph.com", "https://chacra02.ceph.com", "https://chacra03.ceph.com"),
    server=Server(trusted_proxies=1),
    auth=Auth(
        users=(
            User(name="builder", key_sha256=hash_key("secret")),
            User(name="limited", key_sha256=hash_key("narrow"), projects=("ceph",)),
        )
    ),
)

CONFIG_TOML = f"""
chacra_nodes = {list(CONFIG.chacra_nodes)}
[server]
trusted_proxies = 1
[[auth.users]]
name = "builder"
key_sha256 = "{hash_key("secret")}"
[[auth.users]]
name = "limited"
key_sha256 = "{hash_key("narrow")}"
projects = ["ceph"]
"""


def basic(user: str, key: str) -> dict[str, str]:
    """Return the header with these credentials."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the kind of store that the suites shall run on."""
    parser.addoption("--store", choices=backends.STORES, help="run the tests on this store instead of the usual ones")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep, with --store, the suites that shall run on every kind, and of them what asks a store."""
    if config.getoption("store"):
        items[:] = [item for item in items if isinstance(item, pytest.Function) and backends.asks_store(item)]


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Start the server of the wheel for the whole run, or what --store names; each test empties it."""
    named = request.config.getoption("store")
    given = contextlib.nullcontext(request.getfixturevalue(f"{named}_url")) if named else None
    with given or backends.private_server("wheel") as url:
        yield url


@pytest.fixture(scope="session")
def nodes() -> Iterator[list[backends.Server]]:
    """Start a cluster for the whole run; its nodes."""
    with backends.cluster() as started:
        yield started


@pytest.fixture(scope="session")
def cluster_url(nodes: list[backends.Server]) -> str:
    """Return a URL that names two of the three nodes."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes[:2])


@pytest.fixture(scope="session")
def watched() -> Iterator[tuple[backends.Server, backends.Server, str]]:
    """Start a master, a replica and a sentinel for the whole run; which is which changes at a failover."""
    with backends.watched() as started:
        yield started


@pytest.fixture(scope="session")
def sentinel_url(watched: tuple[backends.Server, backends.Server, str]) -> str:
    """Return the URL of the service."""
    return watched[2]


@pytest.fixture(scope="session")
def tls_url(ca: trustme.CA) -> Iterator[str]:
    """Start a server that is reached by TLS for the whole run; its certificate is not checked."""
    with backends.encrypted(ca) as server:
        yield f"rediss://127.0.0.1:{server.port}/0?ssl_cert_reqs=none"


@pytest.fixture(scope="session")
def limited() -> Iterator[backends.Server]:
    """Start a server that has a user with the rights of the document, for the whole run."""
    with backends.server() as server:
        server.admin.execute_command("ACL", "SETUSER", *backends.rights().split())
        yield server


@pytest.fixture(scope="session")
def acl_url(limited: backends.Server) -> str:
    """Return the URL that the limited user has."""
    return f"redis://shaman:secret@127.0.0.1:{limited.port}/0"


@pytest.fixture(scope="session")
def system_url() -> Iterator[str]:
    """Start the server of the system for the whole run; each test empties it."""
    with backends.private_server("system") as url:
        yield url


@pytest.fixture
async def empty_url(server_url: str) -> str:
    """Return the URL that shaman has of that server, which is empty."""
    async with connect(backends.admin_url(server_url), 1) as admin:
        await admin.flushall()
    return server_url


@contextlib.asynccontextmanager
async def backend(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """Yield a client of an empty store that shaman knows; afterwards every key is checked against the documents."""
    client: Redis
    if kind == "fakeredis":
        client = FakeAsyncRedis(server=FakeServer())
    else:
        client = connect(backends.admin_url(request.getfixturevalue(f"{kind}_url")), 16)
        await client.flushall()
    await client.set(keys.SCHEMA, VERSION)
    try:
        yield client
        await audit(client)
    finally:
        await client.flushall()  # for those who start a service on it without looking
        await client.aclose()


def _names(argnames: str | Sequence[str]) -> list[str]:
    return [name.strip() for name in argnames.split(",")] if isinstance(argnames, str) else list(argnames)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of the store on each kind of store, or on the one that --store names."""
    given = {name for mark in metafunc.definition.iter_markers("parametrize") for name in _names(mark.args[0])}
    wanted = set(metafunc.fixturenames) - given
    if "redis" in wanted and not hasattr(metafunc.module, "redis"):  # which has its own
        kinds = ["server"] if metafunc.config.option.store else ["fakeredis", "server", "system"]
        metafunc.parametrize("redis", kinds, indirect=True)
    if "http" in wanted and "conformance" not in metafunc.module.__name__:
        metafunc.parametrize("http", ways(metafunc.config), indirect=True)


@pytest.fixture
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """Return a client of an empty store of each kind."""
    async with backend(request.param, request) as client:
        yield client


@pytest.fixture
async def store(redis: Redis, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Return an empty store of each kind, as the user that shaman is there."""
    client = as_shaman(redis, request)
    yield Store(client, CONFIG, RELEASES)
    if client is not redis:
        await client.aclose()


def own_address() -> dict[str, str]:
    """Return the header that gives a client an address of its own: others may fail to log in as often as they like."""
    return {"X-Forwarded-For": str(IPv4Address(secrets.randbits(32)))}


def as_shaman(client: Redis, request: pytest.FixtureRequest) -> Redis:
    """Return a client for the store to use: another one than the test's only where its rights are limited."""
    return connect(request.getfixturevalue("acl_url"), 16) if request.config.option.store == "acl" else client


def wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    """Return as soon as the service answers."""
    with httpx.Client(timeout=30, transport=httpx.HTTPTransport(retries=0)) as client:
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                client.get(f"{url}/_health/")
                return
    raise AssertionError(f"the service ended with {process.returncode}")


@contextlib.contextmanager
def running(server_url: str, *options: str, settings: str = CONFIG_TOML) -> Iterator[str]:
    """Run a real `shaman serve` with two workers on the private server; its URL."""
    port = free_port()
    with TemporaryDirectory(prefix="shaman-") as folder:
        config = Path(folder) / "config.toml"
        config.write_text(settings)
        command = [sys.executable, "-m", "shaman", "serve", "--config", str(config), "--port", str(port)]
        with subprocess.Popen([*command, "--workers", "2", *options], env={"REDIS_URL": server_url}) as process:
            try:
                wait_for(process, f"http://127.0.0.1:{port}")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                assert process.wait(10) == 0


@pytest.fixture(scope="session")
def process_url(server_url: str) -> Iterator[str]:
    """Run the service as it comes."""
    with running(server_url) as url:
        yield url


@pytest.fixture(scope="session")
def granian_url(server_url: str) -> Iterator[str]:
    """Run the service on the other engine."""
    with running(server_url, "--server", "granian") as url:
        yield url


WAYS = ["fakeredis", "server", "process", "granian"]
"""How the service is served: in this process on two kinds of store, and as a real one on each engine."""


def ways(config: pytest.Config) -> list[str]:
    """Return the WAYS of this run."""
    return ["server", "process"] if config.getoption("store") else WAYS


@contextlib.asynccontextmanager
async def serving(way: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Serve an empty store in one of the WAYS; its URL."""
    async with backend("fakeredis" if way == "fakeredis" else "server", request) as client:
        if way in {"process", "granian"}:
            yield request.getfixturevalue(f"{way}_url")
        else:
            async with served(Store(as_shaman(client, request), CONFIG, RELEASES)) as url:
                yield url


@contextlib.asynccontextmanager
async def served(store: Store, config: Config = CONFIG) -> AsyncIterator[str]:
    """Serve `store` over a real socket in this very process."""
    stop, started = asyncio.Event(), asyncio.Event()
    app = create_app(config, store, RELEASES)
    app.before_serving(set_async(started))
    settings = HypercornConfig()
    settings.errorlog = None
    settings.h11_max_incomplete_size = 256 * 1024
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.bind = [f"fd://{os.dup(listener.fileno())}"]
        serving = asyncio.create_task(serve(app, settings, shutdown_trigger=stop.wait))
        await started.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            await serving


def set_async(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """Return a coroutine function that sets `event`."""

    async def set_event() -> None:
        event.set()

    return set_event


@pytest.fixture
async def http(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of an empty service, in each of the WAYS."""
    async with (
        serving(request.param, request) as url,
        httpx.AsyncClient(base_url=url, auth=("builder", "secret"), headers=own_address()) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """Return a certificate authority that this process alone knows."""
    return trustme.CA()


@pytest.fixture
def trusted(ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Return the authority, believed by every service that starts during the test."""
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return ca
