"""Pages as a browser asks for them and reads them."""

from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

import html5lib
import httpx

from shaman.web.pages.rendering import POLICY

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}
"""What browsers send."""

SHA1 = "45107e21c568dd033c2f0a3107dec8f0b0e58374"
OTHER = "a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b9"

REPO = {
    "ref": "main",
    "sha1": SHA1,
    "distro": "centos",
    "distro_version": "9",
    "archs": ["x86_64"],
    "status": "ready",
    "url": "https://1.chacra.example.org/r/ceph/main/centos/9/",
    "chacra_url": "https://1.chacra.example.org/repos/ceph/main/centos/9/",
}

BUILD = {
    "ref": "main",
    "sha1": SHA1,
    "distro": "centos",
    "distro_version": "9",
    "distro_arch": "x86_64",
    "status": "started",
    "url": "https://jenkins.example.org/job/ceph/7/",
    "log_url": "https://jenkins.example.org/job/ceph/7/console",
}


async def post_repo(http: httpx.AsyncClient, project: str = "ceph", **changes: Any) -> None:
    """Post a repo, by default another one for each chacra_url."""
    response = await http.post(f"/api/repos/{quote(project, safe='')}/", json=REPO | changes)
    assert response.status_code == 200, response.text


async def post_build(http: httpx.AsyncClient, project: str = "ceph", **changes: Any) -> None:
    """Post a build."""
    response = await http.post(f"/api/builds/{quote(project, safe='')}/", json=BUILD | changes)
    assert response.status_code == 200, response.text


def read(text: str) -> Element:
    """Read a page. Raises html5lib's ParseError for what is not well-formed."""
    root: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # that of a drawing
    return root


async def page(http: httpx.AsyncClient, path: str, status: int = 200) -> Element:
    """Ask for a page as a browser does; it is whole, well-formed, small and strict."""
    response = await http.get(path, headers=BROWSER)
    assert response.status_code == status, f"{path}: {response.text}"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["Vary"] == "Accept"
    assert len(response.content) < 200_000
    return read(response.text)


def text_of(element: Element) -> str:
    """Return the text of an element as it is read, blanks as one."""
    return " ".join("".join(element.itertext()).split())


def links(root: Element) -> list[str]:
    """Return where the links lead that are in the main part."""
    [main] = root.iter("main")
    return [link.attrib["href"] for link in main.iter("a")]


def main_text(root: Element) -> str:
    """Return the text of the main part."""
    [main] = root.iter("main")
    return text_of(main)


def rows(root: Element) -> list[list[str]]:
    """Return the texts of the rows of the tables."""
    return [[text_of(cell) for cell in row] for body in root.iter("tbody") for row in body]
