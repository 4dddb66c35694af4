"""The search box: what it finds, and where it leads."""

from urllib.parse import quote

import httpx
import pytest

from tests.web.pages.reading import BROWSER, BUILD, OTHER, REPO, SHA1, links, main_text, page, post_build, post_repo


async def found(http: httpx.AsyncClient, asked: str) -> str:
    """Return where the search leads to; "" if it finds nothing or does not know which."""
    response = await http.get("/find/", params={"q": asked}, headers=BROWSER)
    assert response.status_code in {200, 302, 404}, response.text
    leads: str = response.headers.get("Location", "")
    if leads:
        assert (await http.get(leads, headers=BROWSER)).status_code == 200
    return leads


@pytest.fixture
async def known(http: httpx.AsyncClient) -> httpx.AsyncClient:
    """Return a client of a service that knows two projects."""
    await post_repo(http)
    await post_build(http)
    await post_repo(
        http, "kernel", ref="wip/x y", sha1=OTHER, chacra_url="https://2.chacra.example.org/repos/k/1/", url=""
    )
    await post_build(
        http, "kernel", ref="built", sha1="b0b0b0b0", url="https://jenkins.example.org/job/kernel/1/", log_url=""
    )
    return http


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("main", "/matrix/ceph/main/"),
        ("  main ", "/matrix/ceph/main/"),
        ("wip/x y", "/matrix/kernel/wip%2Fx%20y/"),
        ("built", "/matrix/kernel/built/"),
        ("kernel", "/repos/kernel/"),
        (SHA1, f"/repos/ceph/main/{SHA1}/"),
        (SHA1[:4], f"/repos/ceph/main/{SHA1}/"),
        (OTHER[:10], f"/repos/kernel/wip%2Fx%20y/{OTHER}/"),
        ("b0b0b", "/builds/kernel/built/b0b0b0b0/"),
        (SHA1[:3], ""),
        ("mai", ""),
        ("", ""),
        (" ", ""),
        ("/", ""),
        (f"{SHA1}0", ""),
        ("*", ""),
        ("45107*", ""),
    ],
)
async def test_names_and_beginnings_of_sha1s(known: httpx.AsyncClient, asked: str, path: str) -> None:
    """A whole ref or project, and four characters of a sha1, lead to their page."""
    assert await found(known, asked) == path


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (REPO["chacra_url"], f"/repos/ceph/main/{SHA1}/default/1/"),
        (str(REPO["chacra_url"]).rstrip("/"), f"/repos/ceph/main/{SHA1}/default/1/"),
        ("https://2.chacra.example.org/repos/k/1/", f"/repos/kernel/wip%2Fx%20y/{OTHER}/default/1/"),
        (BUILD["url"], f"/builds/ceph/main/{SHA1}/default/1/"),
        (f"{BUILD['url']}parameters/", f"/builds/ceph/main/{SHA1}/default/1/"),
        (BUILD["log_url"], f"/builds/ceph/main/{SHA1}/default/1/"),
        ("http://jenkins.example.org/job/ceph/7", f"/builds/ceph/main/{SHA1}/default/1/"),
        ("https://shaman.example.org/repos/ceph/main/", "/repos/ceph/main/"),
        (f"https://shaman.example.org/builds/ceph/main/{SHA1}/", f"/builds/ceph/main/{SHA1}/"),
        (f"https://shaman.example.org/api/repos/ceph/main/{SHA1}/centos/9/", f"/repos/ceph/main/{SHA1}/centos/9/"),
        ("https://shaman.example.org/repos/kernel/wip%2Fx%20y/", "/repos/kernel/wip%2Fx%20y/"),
        ("/matrix/ceph/main/", "/matrix/ceph/main/"),
        ("https://shaman.example.org/repos/nothing/main/", ""),
        ("https://shaman.example.org/repos/ceph/nothing/", ""),
        (f"https://shaman.example.org/repos/ceph/main/{OTHER}/", ""),
        ("https://jenkins.example.org/job/ceph/77/", ""),
        ("https://jenkins.example.org/", ""),
        ("https://[/", ""),
        ("javascript:alert(1)", ""),
        ("http://", ""),
        ("//", ""),
    ],
)
async def test_urls(known: httpx.AsyncClient, asked: str, path: str) -> None:
    """A chacra_url, the URL of a build or into it, and a page of another server lead to what they are about."""
    assert await found(known, asked) == path


async def test_the_url_of_packages_is_found_by_the_sha1_in_it(http: httpx.AsyncClient) -> None:
    """Of the repos of that sha1 it is the one that the URL leads into."""
    for distro in ("centos", "rocky"):
        tail = f"ceph/main/{SHA1}/{distro}/9/flavors/default/"
        await post_repo(
            http, distro=distro, url=f"https://c.example.org/r/{tail}", chacra_url=f"https://c.example.org/repos/{tail}"
        )
    asked = f"https://c.example.org/r/ceph/main/{SHA1}/centos/9/flavors/default/x86_64/ceph-20.rpm"
    assert await found(http, asked) == f"/repos/ceph/main/{SHA1}/default/1/"


async def test_a_page_of_this_service_leads_to_itself(known: httpx.AsyncClient) -> None:
    """Also with a query, and never to another host."""
    host = f"http://{known.base_url.netloc.decode()}"
    assert await found(known, f"{host}/repos/ceph/main/?status=ready") == "/repos/ceph/main/?status=ready"
    for path in ("//evil.example.org/", "/\\evil.example.org/", "/%5Cevil.example.org/", "/%2F%2Fevil.example.org"):
        response = await known.get("/find/", params={"q": host + path}, headers=BROWSER)
        assert response.headers["Location"][:2] not in {"//", "/\\"}
        assert response.headers["Location"].startswith("/")


async def test_several_are_listed(known: httpx.AsyncClient) -> None:
    """A ref that two projects have, and a sha1 of two refs: every place is named, and which it is."""
    await post_repo(known, "kernel", chacra_url="https://2.chacra.example.org/repos/k/2/")
    assert links(await page(known, "/find/?q=main")) == ["/matrix/ceph/main/", "/matrix/kernel/main/"]
    both = [f"/repos/ceph/main/{SHA1}/", f"/repos/kernel/main/{SHA1}/"]
    assert links(await page(known, f"/find/?q={SHA1[:6]}")) == both


async def test_nothing_found_is_said_plainly(known: httpx.AsyncClient) -> None:
    """404, what was asked, also in the search box, and what can be asked."""
    root = await page(known, f"/find/?q={quote('<b>nothing</b>')}", 404)
    assert "No project has the ref, sha1 or URL <b>nothing</b>" in main_text(root)
    [box] = (field for field in root.iter("input") if field.attrib["name"] == "q")
    assert box.attrib["value"] == "<b>nothing</b>"
    assert "The search takes" in main_text(await page(known, "/find/"))


@pytest.mark.parametrize("asked", ["a" * 2049, "a%00b", "a%0D%0ALocation:x", "%E2%80%AE"])
async def test_what_cannot_be_asked_is_refused(http: httpx.AsyncClient, asked: str) -> None:
    """Too long a text, and one with control characters."""
    await page(http, f"/find/?q={asked}", 400)
