"""`/api/search` over real sockets: complete lists of any length."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shaman.errors import Unavailable
from shaman.store import Store
from shaman.store import snapshots as snapshots_module
from shaman.web.api import search as api_search
from tests.conftest import served
from tests.test_listing import fill

pytestmark = pytest.mark.parametrize("redis", ["fakeredis"], indirect=True)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages of two records, and stream what is longer than one."""
    monkeypatch.setattr(snapshots_module, "PAGE", 2)
    monkeypatch.setattr(api_search, "WHOLE", 2)


@pytest.mark.usefixtures("small_pages")
async def test_a_long_list_is_sent_page_by_page(store: Store) -> None:
    """Every record is in it, newest first, as one JSON array."""
    repos = await fill(store, 9)
    async with served(store) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.get("/api/search?project=one")
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert [repo["id"] for repo in answer.json()] == [repo.id for repo in reversed(repos)]
        assert (await http.get("/api/search?project=one&flavor=debug")).json() == []
        head = await http.head("/api/search?project=one")
        assert (head.status_code, head.content) == (200, b"")
        assert len((await http.get("/api/search/?project=one")).json()) == 9


@pytest.mark.usefixtures("small_pages")
async def test_a_list_that_breaks_off_is_no_whole_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store goes away in the middle, the client sees a broken connection and not a shorter list."""
    await fill(store, 9)
    pages = store.snapshots.repos

    async def broken(entries: Any) -> AsyncIterator[Any]:
        left = 3
        async for page in pages(entries):
            if left == 0:
                raise Unavailable("the store is away")
            left -= 1
            yield page

    monkeypatch.setattr(store.snapshots, "repos", broken)
    async with served(store) as url, httpx.AsyncClient(base_url=url) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/api/search?project=one")
        assert (await http.get("/api/")).status_code == 200


async def test_a_list_that_cannot_begin_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store is away from the start, the answer says so."""
    await fill(store, 3)

    async def away(*_: Any) -> Any:
        raise Unavailable("the store is away")

    monkeypatch.setattr(store.snapshots, "entries", away)
    async with served(store) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.get("/api/search?project=one")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert answer.text.startswith("# 503 Service Unavailable\n# ")
