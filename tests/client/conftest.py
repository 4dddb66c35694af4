"""A client of a real service."""

from collections.abc import AsyncIterator

import pytest

from shaman.client import Client
from tests.conftest import serving


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Return the client of an empty service."""
    async with serving("server", request) as url, Client(url, user="builder", key="secret") as asking:
        yield asking
