"""The server under test: this one in all its ways, or the one that --base-url names.

    scripts/test tests/conformance --base-url https://shaman.example.org --api-user U --api-key K

Each test keeps to a project of its own with a random name and leaves its records there: point it at a server for tests.
"""

import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.conformance.api import Api
from tests.conftest import own_address, serving, ways

# The one way when --base-url is given.
FOREIGN = "foreign"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the address of a foreign server, and the credentials of one of its writers."""
    group = parser.getgroup("conformance")
    group.addoption("--base-url", help="run tests/conformance against this server instead of this project's own")
    group.addoption("--api-user", default="", help="who may write there")
    group.addoption("--api-key", default="", help="the key of --api-user")


def foreign(config: pytest.Config) -> str | None:
    """Return the address of the foreign server; none when the whole suite runs, which never parsed these options."""
    url: str | None = config.getoption("base_url", None)
    return url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test in each way of this server, or once on the foreign one."""
    if "http" in metafunc.fixturenames:
        metafunc.parametrize("http", [FOREIGN] if foreign(metafunc.config) else ways(metafunc.config), indirect=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what asks for the native dialect when the server is a foreign one."""
    return True if foreign(config) and collection_path.name == "test_two_dialects.py" else None


@pytest.fixture
async def http(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client with a writer's credentials that follows no redirect."""
    async with contextlib.AsyncExitStack() as stack:
        user, key = "builder", "secret"
        if request.param == FOREIGN:
            url, user, key = (request.config.getoption(name) for name in ("base_url", "api_user", "api_key"))
        else:
            url = await stack.enter_async_context(serving(request.param, request))
        # Seconds; as long as the client of the daily dump waits.
        client = httpx.AsyncClient(base_url=url, auth=(user, key), timeout=28, headers=own_address())
        yield await stack.enter_async_context(client)


@pytest.fixture
def project() -> str:
    """Return the name of a project that nobody else has."""
    return f"conformance-{uuid.uuid4().hex}"


@pytest.fixture
def api(http: httpx.AsyncClient, project: str) -> Api:
    """Return the dialect seen from the test's own project."""
    return Api(http, project)
