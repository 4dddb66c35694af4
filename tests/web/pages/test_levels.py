"""Every level of `/repos/` and `/builds/` as a page."""

import re

import httpx
import pytest

from tests.web.pages.reading import OTHER, REPO, SHA1, links, main_text, page, post_build, post_repo, rows, text_of

RELEASE = f"/repos/ceph/main/{SHA1}/centos/9/"


def title(root: object) -> str:
    """Return the title of a page."""
    [found] = root.iter("title")  # type: ignore[attr-defined]
    return text_of(found)


async def test_the_main_page_shows_projects_repos_builds_and_volume(http: httpx.AsyncClient) -> None:
    """Projects, the latest ready repos and builds, and today's bar of the chart with its words."""
    await post_repo(http)
    await post_repo(http, "kernel", ref="wip/x", chacra_url="https://c.example.org/2/", status="building")
    await post_build(http)
    root = await page(http, "/")
    assert {"/repos/ceph/", "/repos/kernel/", "/matrix/ceph/main/"} < set(links(root))
    assert "/matrix/kernel/wip%2Fx/" not in links(root)
    assert ["ceph main", SHA1[:10], "centos 9"] in [row[:3] for row in rows(root)]
    assert ["ceph main", SHA1[:10], "started", "centos 9 x86_64"] in [row[:4] for row in rows(root)]
    [chart] = root.iter("svg")
    described = {part.attrib.get("id"): text_of(part) for part in chart}
    assert chart.attrib["aria-labelledby"].split() == ["chart-title", "chart-text"]
    assert described["chart-text"].count(";") == 13
    assert described["chart-text"].endswith(": 2")


async def test_an_empty_registry_has_a_main_page(http: httpx.AsyncClient) -> None:
    """Nothing built is a page that says so."""
    assert "Nothing is built yet" in main_text(await page(http, "/"))
    assert "There is nothing here" in main_text(await page(http, "/repos/"))
    assert "No builds are known" in main_text(await page(http, "/builds/"))


@pytest.mark.parametrize("end", ["", "/"])
async def test_each_level_leads_to_the_next(http: httpx.AsyncClient, end: str) -> None:
    """From the projects down to one repo each page links to the page below, with and without a slash at the end."""
    await post_repo(http)
    levels = [
        "/repos/",
        "/repos/ceph/",
        "/repos/ceph/main/",
        f"/repos/ceph/main/{SHA1}/",
        f"/repos/ceph/main/{SHA1}/centos/",
        RELEASE,
        f"{RELEASE}x86_64/",
    ]
    for level, below in zip(levels, [*levels[1:], f"/repos/ceph/main/{SHA1}/default/1/"], strict=True):
        assert below in links(await page(http, level.rstrip("/") + end))
    root = await page(http, f"/repos/ceph/main/{SHA1}/default/1{end}")
    assert {REPO["url"], REPO["chacra_url"]} < set(links(root))
    assert title(root) == "centos 9 repo of main, ceph · shaman"


@pytest.mark.parametrize("end", ["", "/"])
async def test_each_level_of_builds_leads_to_the_next(http: httpx.AsyncClient, end: str) -> None:
    """From the projects that have builds down to one of them."""
    await post_build(http)
    sha1 = f"/builds/ceph/main/{SHA1}/"
    levels = ["/builds/", "/builds/ceph/", "/builds/ceph/main/", sha1]
    for level, below in zip(levels, [*levels[1:], f"{sha1}default/1/"], strict=True):
        assert below in links(await page(http, level.rstrip("/") + end))
    assert f"{sha1}default/1/" in links(await page(http, f"{sha1}default{end}"))
    root = await page(http, f"{sha1}default/1{end}")
    assert {"https://jenkins.example.org/job/ceph/7/", "https://jenkins.example.org/job/ceph/7/console"} < set(
        links(root)
    )


async def test_latest_is_the_newest_sha1_that_has_a_ready_repo(http: httpx.AsyncClient) -> None:
    """As the JSON says it, for the rest of the path; the page links to the sha1 that it is now."""
    await post_repo(http)
    await post_repo(http, sha1=OTHER, chacra_url="https://c.example.org/2/", distro="ubuntu", distro_version="noble")
    await post_repo(http, sha1="feed", chacra_url="https://c.example.org/3/", status="building")
    assert f"/repos/ceph/main/{OTHER}/" in links(await page(http, "/repos/ceph/main/latest/"))
    assert f"/repos/ceph/main/{SHA1}/centos/9/" in links(await page(http, "/repos/ceph/main/latest/centos/9/"))
    await page(http, "/repos/ceph/main/latest/debian/", 404)


async def test_pages_show_every_status_or_the_one_asked_for(http: httpx.AsyncClient) -> None:
    """What is not ready is shown, too; `?status=` shows one status, as for programs."""
    await post_repo(http, status="building")
    assert "building" in main_text(await page(http, f"/repos/ceph/main/{SHA1}/"))
    assert "building" in main_text(await page(http, f"/repos/ceph/main/{SHA1}/?status=building"))
    for path in ("/repos/ceph/", "/repos/ceph/main/", f"/repos/ceph/main/{SHA1}/", RELEASE):
        await page(http, f"{path}?status=building")
        await page(http, f"{path}?status=any")
        await page(http, f"{path}?status=ready", 404)
    assert "There is nothing here" in main_text(await page(http, "/repos/?status=ready"))


async def test_a_number_at_the_end_is_a_version_where_that_is_built(http: httpx.AsyncClient) -> None:
    """`/centos/9/` names the version 9 where it has repos, and else the repo 9 of the flavor centos."""
    for number in range(1, 10):
        flavor = "centos" if number == 9 else "default"
        await post_repo(http, flavor=flavor, distro_version="8", chacra_url=f"https://c.example.org/{number}/")
    assert title(await page(http, RELEASE)) == "centos 8 repo of main, ceph · shaman"
    await post_repo(http)
    assert title(await page(http, RELEASE)).startswith("centos 9 ")
    assert rows(await page(http, RELEASE))[0][:2] == ["10", "centos 9"]


@pytest.mark.parametrize(
    "path",
    [
        "/nothing/",
        "/repos/nothing/",
        "/repos/ceph/nothing/",
        "/repos/ceph/main/nothing/",
        f"/repos/ceph/main/{SHA1}/debian/",
        f"/repos/ceph/main/{SHA1}/centos/10/",
        f"/repos/ceph/main/{SHA1}/default/2/",
        f"/repos/ceph/main/{SHA1}/default/99999999999999999999999/",
        f"/repos/ceph/main/{SHA1}/other/1/",
        f"/repos/ceph/main/{OTHER}/default/1/",
        f"{RELEASE}arm64/",
        f"{RELEASE}x86_64/more/",
        "/builds/nothing/",
        "/builds/ceph/nothing/",
        f"/builds/ceph/main/{OTHER}/",
        f"/builds/ceph/main/{SHA1}/other/",
        f"/builds/ceph/main/{SHA1}/default/2/",
        f"/builds/ceph/main/{SHA1}/default/x/",
        f"/builds/ceph/main/{OTHER}/default/1/",
        "/matrix/ceph/nothing/",
        "/matrix/nothing/main/",
        "/matrix/ceph/",
    ],
)
async def test_what_is_not_there_is_a_page_that_says_so(http: httpx.AsyncClient, path: str) -> None:
    """404, as a page for browsers and as problem+json for everybody else."""
    await post_repo(http)
    await post_build(http)
    assert "404" in main_text(await page(http, path, 404))
    response = await http.get(path)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Vary"] == "Accept"


async def test_a_repo_page_has_what_is_copied_as_text(http: httpx.AsyncClient) -> None:
    """The URL of the package manager's file and the line that fetches it can be selected without JavaScript."""
    await post_repo(http)
    root = await page(http, f"/repos/ceph/main/{SHA1}/default/1/")
    url, line = (text_of(code) for code in root.iter("code") if "data-copy" in code.attrib)
    assert line == f"sudo curl -fsSL -o /etc/yum.repos.d/ceph.repo {url}"
    response = await http.get(url)
    assert response.headers["Location"] == f"{REPO['chacra_url']}repo"
    assert not list(root.iter("button"))[1:]


async def test_what_is_not_ready_has_nothing_to_copy(http: httpx.AsyncClient) -> None:
    """A repo that cannot be used offers no line that would fail."""
    await post_repo(http, status="building")
    root = await page(http, f"/repos/ceph/main/{SHA1}/default/1/")
    assert not [code for code in root.iter("code") if "data-copy" in code.attrib]


async def test_times_are_for_people_and_for_machines(http: httpx.AsyncClient) -> None:
    """An age to read, the exact time in UTC behind it."""
    await post_repo(http)
    [told, *_] = (await page(http, "/repos/ceph/")).iter("time")
    assert re.fullmatch(r"now|\d+ s", text_of(told))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told.attrib["datetime"])
    assert told.attrib["title"] == told.attrib["datetime"].replace("T", " ").replace("Z", " UTC")


async def test_long_lists_are_cut_to_pages(http: httpx.AsyncClient) -> None:
    """Following `more` shows every ref once, newest first."""
    names = [f"ref-{number:03}" for number in range(105)]
    for number, name in enumerate(names):
        await post_build(http, ref=name, url=f"https://j.example.org/{number}/")
    path, seen = "/repos/ceph/", []
    while path:
        root = await page(http, path)
        seen += [row[0] for row in rows(root)]
        path = next((link.attrib["href"] for link in root.iter("a") if link.attrib.get("rel") == "next"), "")
    assert seen == names[::-1]


@pytest.mark.parametrize(
    "path",
    [
        "/?x=1",
        "/repos/?after=x",
        "/repos/ceph/?after=1",
        "/repos/ceph/?after=x-y",
        "/builds/ceph/?after=",
        "/builds/?after=-1",
        "/matrix/ceph/main/?after=99999999999999999999-a",
        "/matrix/ceph/main/?wait=1",
        "/find/?q=a&q=b",
        "/repos/ceph/?status=",
    ],
)
async def test_a_parameter_that_makes_no_sense_is_named(http: httpx.AsyncClient, path: str) -> None:
    """400 as a page; an empty place in a list is its beginning."""
    await post_build(http)
    if path.endswith("after="):
        await page(http, path)
    else:
        assert "400" in main_text(await page(http, path, 400))
