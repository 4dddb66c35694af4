"""The backends every store test runs on, and the ways every HTTP test is served."""

import asyncio
import base64
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
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
from shaman.store import Store
from shaman.store.connection import connect
from shaman.store.embedded import Embedded
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


SERVERS = ["wheel", "system"]
"""The servers that shaman starts: the one it brings along, and the redis-server of the system."""


def path_to(kind: str) -> str:
    """Return the PATH on which `find_binary` finds only this one of SERVERS. Where there is none, a CI run fails."""
    if kind == "wheel":
        return "/nowhere"
    found = shutil.which("redis-server")
    if found:
        return str(Path(found).parent)
    if os.environ.get("CI"):
        pytest.fail("there is no redis-server on PATH")
    pytest.skip("there is no redis-server on PATH")


@contextlib.contextmanager
def private_server(kind: str) -> Iterator[str]:
    """Start a private server that does not wait for the disk; its URL."""
    with TemporaryDirectory(prefix="shaman-") as folder, contextlib.ExitStack() as stack:
        server = Embedded(Path(folder), flags=("--appendfsync", "no"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", path_to(kind))
            stack.enter_context(server)
        yield server.url


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Start the server of the wheel for the whole run; each test empties it."""
    with private_server("wheel") as url:
        yield url


@pytest.fixture(scope="session")
def system_url() -> Iterator[str]:
    """Start the server of the system for the whole run; each test empties it."""
    with private_server("system") as url:
        yield url


@contextlib.asynccontextmanager
async def backend(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """Yield a client of an empty store; afterwards every key in it is checked against the documents."""
    client: Redis
    if kind == "fakeredis":
        client = FakeAsyncRedis(server=FakeServer())
    else:
        client = connect(request.getfixturevalue(f"{kind}_url"), 16)
        await client.flushall()
    yield client
    await audit(client)
    await client.aclose()


@pytest.fixture(params=["fakeredis", "server", "system"])
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """Return a client of an empty store of each kind."""
    async with backend(request.param, request) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> Store:
    """Return an empty store of each kind."""
    return Store(redis, CONFIG, RELEASES)


def own_address() -> dict[str, str]:
    """Return the header that gives a client an address of its own: others may fail to log in as often as they like."""
    return {"X-Forwarded-For": str(IPv4Address(secrets.randbits(32)))}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    """Return as soon as the service answers."""
    with httpx.Client(timeout=30, transport=httpx.HTTPTransport(retries=0)) as client:
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                client.get(f"{url}/_health/")
                return
    raise AssertionError(f"the service ended with {process.returncode}")


@contextlib.contextmanager
def running(server_url: str, *options: str) -> Iterator[str]:
    """Run a real `shaman serve` with two workers on the private server; its URL."""
    port = free_port()
    with TemporaryDirectory(prefix="shaman-") as folder:
        config = Path(folder) / "config.toml"
        config.write_text(CONFIG_TOML)
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


@contextlib.asynccontextmanager
async def serving(way: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Serve an empty store in one of the WAYS; its URL."""
    async with backend("fakeredis" if way == "fakeredis" else "server", request) as client:
        if way in {"process", "granian"}:
            yield request.getfixturevalue(f"{way}_url")
        else:
            async with served(Store(client, CONFIG, RELEASES)) as url:
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


@pytest.fixture(params=WAYS)
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
