"""The pages as a browser shows them: whole, readable for everybody, and asking nobody else for anything."""

import re
from typing import Literal

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import watch

PROJECT, REF = "nfs-ganesha", "next"

PATHS = [
    "/",
    "/repos/",
    f"/repos/{PROJECT}/",
    f"/repos/{PROJECT}/{REF}/",
    f"/repos/{PROJECT}/{REF}/latest/",
    f"/matrix/{PROJECT}/{REF}/",
    "/builds/",
    f"/builds/{PROJECT}/",
    "/docs/",
]
"""One page of each kind."""

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(autouse=True)
async def build(builder: httpx.AsyncClient) -> None:
    """Have a build of the newest sha1 at hand, as pushes tell of repos alone."""
    [sha1, *_] = (await builder.get(f"/repos/{PROJECT}/{REF}/")).json()
    body = {"ref": REF, "sha1": sha1, "status": "started", "url": "https://ci.example.org/1/", "distro": "rocky"}
    answer = await builder.post(f"/api/builds/{PROJECT}/", json=body | {"distro_version": "9", "distro_arch": "arm64"})
    assert answer.status_code == 200


async def go(page: Page, path: str) -> None:
    """Open a page that must be there."""
    answer = await page.goto(path, wait_until="load")
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_accessible(page: Page, path: str) -> None:
    """No rule of the accessibility guidelines (WCAG 2.2 AA) is broken, by day and by night."""
    await go(page, path)
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        found = await Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{scheme}: {found.generate_report()}"


@pytest.mark.parametrize("path", PATHS)
async def test_a_phone_shows_a_page_without_moving_it_sideways(page: Page, path: str) -> None:
    """What is too wide for 360 pixels scrolls within its place."""
    await page.set_viewport_size({"width": 360, "height": 740})
    await go(page, path)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_at_night_a_page_is_dark(page: Page) -> None:
    """The background is as bright as the scheme of the system says, and so is the text on it."""
    await go(page, "/")
    shown = {}
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        colors = await page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        shown[scheme] = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in colors]  # each of 0 to 765
    (paper, ink), (night, chalk) = shown["light"], shown["dark"]
    assert paper - ink > 450
    assert chalk - night > 450


async def test_the_search_box_finds_a_ref(page: Page) -> None:
    """Whoever types a ref and Enter sees it."""
    await go(page, "/")
    await page.get_by_role("searchbox").fill(REF)
    await page.keyboard.press("Enter")
    await page.wait_for_load_state()
    await expect(page.locator("h1")).to_contain_text(REF)


async def test_the_search_box_finds_the_beginning_of_a_sha1(page: Page, builder: httpx.AsyncClient) -> None:
    """Eight digits lead to what is built of the sha1."""
    [sha1, *_] = (await builder.get(f"/repos/{PROJECT}/{REF}/")).json()
    await go(page, "/")
    await page.get_by_role("searchbox").fill(sha1[:8])
    await page.get_by_role("button", name="Find").click()
    await page.wait_for_load_state()
    await expect(page.locator("body")).to_contain_text(sha1)


async def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    """The first key of a visitor offers to skip what stands on every page."""
    await go(page, f"/matrix/{PROJECT}/{REF}/")
    await page.keyboard.press("Tab")
    skip = page.locator(":focus")
    await expect(skip).to_be_in_viewport()
    await skip.press("Enter")
    assert await page.evaluate("document.activeElement.tagName") == "MAIN"


async def test_what_is_worth_copying_can_be_copied(page: Page, builder: httpx.AsyncClient) -> None:
    """A button puts the address of the package manager's file into the clipboard."""
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await go(page, f"/matrix/{PROJECT}/{REF}/")
    await page.locator("td a", has_text="repo").first.click()
    await page.wait_for_load_state()
    await page.get_by_role("button", name="Copy").first.click()
    await expect(page.get_by_role("button", name="Copied").or_(page.get_by_text("Copied")).first).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    asked = await builder.get(copied)
    assert asked.status_code == 302
    assert asked.headers["location"].startswith("https://chacra.example.org/repos/")


async def test_without_javascript_everything_is_there(browser: Browser, site: str, faults: list[str]) -> None:
    """The matrix, its links and the search box work where no script runs."""
    context = await browser.new_context(base_url=site, java_script_enabled=False)
    watch(context, site, faults)
    page = await context.new_page()
    await go(page, f"/matrix/{PROJECT}/{REF}/")
    await expect(page.get_by_role("cell", name="ready").first).to_be_visible()
    await page.get_by_role("searchbox").fill(REF)
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("h1")).to_contain_text(REF)
    await context.close()
