"""A server for the commands that ask one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.asking import Asking
from tests.conftest import backend


@pytest.fixture
async def shell(request: pytest.FixtureRequest, process_url: str, tmp_path: Path) -> AsyncIterator[Asking]:
    """Return a shell whose variables name an empty service with two processes."""
    async with backend("server", request) as store:
        await store.client_kill_filter(_type="pubsub")  # so that they forget what was in it before
        yield Asking(tmp_path, process_url)
