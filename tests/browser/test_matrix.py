"""The matrix of a ref while builders post."""

from typing import Any

import httpx
from playwright.async_api import Page, expect

PROJECT, REF = "tcmu-runner", "live"


def place(sha1: str, version: str = "9") -> dict[str, Any]:
    """Return the coordinates of a cell."""
    return {"ref": REF, "sha1": sha1, "distro": "centos", "distro_version": version, "flavor": "default"}


async def post(builder: httpx.AsyncClient, sha1: str, status: str, version: str = "9") -> None:
    """Post a build on its way, as its pipeline would; a ready repo, as a storage node would."""
    if status == "ready":
        url = f"https://1.chacra.example.org/r/{sha1}/{version}/"
        body = place(sha1, version) | {"status": status, "url": url, "chacra_url": url, "archs": ["x86_64"]}
        answer = await builder.post(f"/api/repos/{PROJECT}/", json=body)
    else:
        body = place(sha1, version) | {"status": status, "url": f"https://ci.example.org/{sha1}/"}
        answer = await builder.post(f"/api/builds/{PROJECT}/", json=body | {"distro_arch": "x86_64"})
    assert answer.status_code == 200, answer.text


async def test_a_cell_changes_as_soon_as_its_builder_posts(page: Page, builder: httpx.AsyncClient) -> None:
    """Nobody reloads: a build that begins shows as building, one that fails as failed, a repo as ready."""
    await post(builder, "a" * 40, "ready")
    await page.goto(f"/matrix/{PROJECT}/{REF}/", wait_until="load")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(1)
    await expect(rows.first).to_contain_text("newest complete")
    await post(builder, "b" * 40, "started")
    await expect(rows).to_have_count(2)
    await expect(rows.first.get_by_role("cell")).to_contain_text("building")
    await expect(rows.nth(1)).to_contain_text("newest complete")
    await post(builder, "b" * 40, "failed")
    await expect(rows.first.get_by_role("cell")).to_contain_text("failed")
    await post(builder, "b" * 40, "ready")
    await expect(rows.first.get_by_role("cell")).to_contain_text("ready")
    await expect(rows.first).to_contain_text("newest complete")


async def test_a_change_is_told_to_who_cannot_see_it(page: Page, builder: httpx.AsyncClient) -> None:
    """What a cell has become is announced, politely."""
    await post(builder, "c" * 40, "ready")
    async with page.expect_response(lambda answer: "/events" in answer.url):
        await page.goto(f"/matrix/{PROJECT}/{REF}/", wait_until="load")
    await post(builder, "d" * 40, "started")
    await expect(page.get_by_role("status")).to_contain_text("dddddddddd")
