"""A real browser, and a real service of two workers that has the newest pushes of real projects."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
import replay
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.backends import private_server
from tests.conftest import running

DATA = Path(__file__).parents[1] / "data"

PUSHES = 60
"""Pushes of each project that are posted, the newest."""

PATIENCE = 20_000
"""Milliseconds for something to show on a machine that does other work."""

expect.set_options(timeout=PATIENCE)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str:
    """Return the path of the browser that the system has. Where there is none, a CI run fails."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        return found
    if os.environ.get("CI"):
        pytest.fail("there is no chromium on PATH")
    pytest.skip("there is no chromium on PATH")


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Run the service on a store of its own, which has what the replay posts; its URL."""
    with private_server("wheel") as store, running(store) as url:
        asyncio.run(_fill(url))
        yield url


async def _fill(url: str) -> None:
    pushes = replay.read_pushes((DATA / "pushes.tsv").read_bytes())
    platforms = msgspec.toml.decode((DATA / "platforms.toml").read_bytes(), type=dict[str, replay.Project])
    of_each = [[push for push in pushes if push.project == name] for name in sorted({push.project for push in pushes})]
    newest = [push for of_one in of_each for push in of_one[-PUSHES:]]
    sender = replay.Replay(lambda: replay.Connection(url, "builder:secret"), lambda _: None)
    await sender.send(replay.posts(newest, platforms), concurrency=8)


@pytest.fixture
async def builder(site: str) -> AsyncIterator[httpx.AsyncClient]:
    """Return what posts to the service as a builder does."""
    async with httpx.AsyncClient(base_url=site, auth=("builder", "secret")) as client:
        yield client


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Return a browser."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to start one for root
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=find_browser(), args=sandbox)
        yield started
        await started.close()


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """Return what has gone wrong in a page, and what it asked of other hosts; there must be nothing at the end."""
    noted: list[str] = []
    yield noted
    assert noted == []


def watch(context: BrowserContext, site: str, faults: list[str]) -> None:
    """Note the faults of every page of a context."""
    here = urlsplit(site).netloc

    def note(page: Page) -> None:
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type in {"error", "warning"} else None)

    context.set_default_timeout(PATIENCE)
    context.on("page", note)
    context.on("request", lambda asked: faults.append(asked.url) if urlsplit(asked.url).netloc != here else None)


@pytest.fixture
async def page(browser: Browser, site: str, faults: list[str]) -> AsyncIterator[Page]:
    """Return an empty page of a window that a desk has."""
    context = await browser.new_context(base_url=site, viewport={"width": 1280, "height": 800})
    watch(context, site, faults)
    yield await context.new_page()
    await context.close()
