"""The pictures of the README: what a browser shows of real pushes. `scripts/pictures` keeps them in docs/."""

import os
import struct
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.async_api import Page, expect

PROJECT, REF = "nfs-ganesha", "next"

PICTURES: dict[str, tuple[str, Literal["light", "dark"]]] = {
    "home": ("/", "light"),
    "matrix": (f"/matrix/{PROJECT}/{REF}/", "light"),
    "matrix-dark": (f"/matrix/{PROJECT}/{REF}/", "dark"),
}
"""Page and scheme of each picture."""

ON_THE_WAY = {("centos", "7"): "failed", ("centos", "8"): "started", ("ubuntu", "xenial"): "queued"}
"""How far the builds of a push are that has just come."""


@pytest.fixture
async def pushed(builder: httpx.AsyncClient) -> str:
    """Let builders begin with a sha1 that nothing is ready of; the sha1."""
    sha1 = "5f0c1d3a" * 5
    for (distro, version), status in ON_THE_WAY.items():
        cell = {"distro": distro, "distro_version": version, "distro_arch": "x86_64", "flavor": "ceph_main"}
        body = cell | {"ref": REF, "sha1": sha1, "status": status, "url": "https://ci.example.org/job/nfs-ganesha/7/"}
        assert (await builder.post(f"/api/builds/{PROJECT}/", json=body)).status_code == 200
    return sha1


@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_shows_the_page(page: Page, pushed: str, name: str, tmp_path: Path) -> None:
    """The picture is of the size of the window, and of the page with what was pushed."""
    path, scheme = PICTURES[name]
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await page.goto(path, wait_until="load")
    if "matrix" in name:
        await expect(page.locator("tbody")).to_contain_text(pushed[:8])
    file = Path(os.environ.get("SHAMAN_PICTURES") or tmp_path) / f"{name}.png"
    await page.screenshot(path=file)
    assert struct.unpack(">II", file.read_bytes()[16:24]) == (1280, 800)
