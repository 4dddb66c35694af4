"""A server for the commands that ask one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.asking import Asking
from tests.conftest import serving


@pytest.fixture
async def shell(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Asking]:
    """Return a shell whose variables name an empty service with two processes."""
    async with serving("process", request) as url:
        yield Asking(tmp_path, url)
