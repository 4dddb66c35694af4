"""Who gets a page and who gets JSON."""

import httpx
import pytest

from tests.web.pages.reading import BROWSER, SHA1, page, post_build, post_repo

HTML, JSON, PROBLEM = "text/html; charset=utf-8", "application/json", "application/problem+json"

JAVA = ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "text/html, image/gif, image/jpeg, */*; q=0.2")
"""What Java's HttpURLConnection sends unless told otherwise, and so much that runs inside of Jenkins."""

PATHS = ["/repos/", "/repos/ceph/", "/repos/ceph/main/", f"/repos/ceph/main/{SHA1}/centos/9/x86_64/"]


@pytest.mark.parametrize(
    ("accept", "repos", "builds"),
    [
        (None, JSON, HTML),
        ("*/*", JSON, HTML),
        ("", JSON, HTML),
        ("application/json", JSON, JSON),
        ("application/json, text/plain, */*", JSON, JSON),
        ("application/json;q=0.5", JSON, JSON),
        ("text/html", HTML, HTML),
        ("Text/HTML", HTML, HTML),
        (BROWSER["Accept"], HTML, HTML),
        ("text/html;q=0.5", HTML, HTML),
        ("text/html;q=0.5, application/json", JSON, JSON),
        ("text/html, application/json;q=0.9", HTML, HTML),
        ("text/html, application/json", JSON, JSON),
        ("text/html;q=0", JSON, HTML),
        ("text/*", JSON, HTML),
        ("application/*", JSON, HTML),
        ("text/html;level=1", HTML, HTML),
        ("image/png", JSON, HTML),
        ("text/html;q=x", JSON, HTML),
        ("nonsense", JSON, HTML),
        (JAVA[0], JSON, HTML),
        (JAVA[1], JSON, HTML),
    ],
)
async def test_who_gets_what(http: httpx.AsyncClient, accept: str | None, repos: str, builds: str) -> None:
    """`/repos/` is JSON unless HTML is named and liked better; `/builds/` a page unless JSON is named and not less."""
    await post_repo(http)
    await post_build(http)
    del http.headers["Accept"]
    headers = {} if accept is None else {"Accept": accept}
    for path in PATHS:
        response = await http.get(path, headers=headers)
        assert (response.status_code, response.headers["Content-Type"]) == (200, repos)
        assert response.headers["Vary"] == "Accept"
    for path in ("/builds/", "/builds/ceph/", "/builds/ceph/main/", f"/builds/ceph/main/{SHA1}/default/1/"):
        response = await http.get(path, headers=headers)
        assert (response.status_code, response.headers["Content-Type"]) == (200, builds)
        assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", JAVA)
async def test_an_error_is_no_page_for_java(http: httpx.AsyncClient, accept: str) -> None:
    """It is a problem document, as for every program."""
    for path in ("/repos/nothing/", "/nothing"):
        response = await http.get(path, headers={"Accept": accept})
        assert (response.status_code, response.headers["Content-Type"]) == (404, PROBLEM)


async def test_the_memory_of_answers_never_mixes_the_two(http: httpx.AsyncClient) -> None:
    """Asked in turns and often, so that what is kept would be given: each gets its own."""
    await post_repo(http)
    await post_build(http)
    async with httpx.AsyncClient(base_url=http.base_url) as reader:  # what is asked with credentials is not kept
        await _ask_in_turns(reader)


async def _ask_in_turns(http: httpx.AsyncClient) -> None:
    for _ in range(4):
        for path in [*PATHS, "/repos", "/%72epos/ceph/", "/builds/ceph/", f"/builds/ceph/main/{SHA1}/"]:
            json = await http.get(path, headers={"Accept": JSON})
            assert (json.headers["Content-Type"], json.status_code) == (JSON, 200)
            await page(http, path)
    known = await http.get("/repos/ceph/", headers={"If-None-Match": (await http.get("/repos/ceph/")).headers["ETag"]})
    assert (known.status_code, known.headers["Vary"]) == (304, "Accept")
    again = await http.get("/repos/ceph/", headers=BROWSER | {"If-None-Match": known.headers["ETag"]})
    assert again.status_code == 200


async def test_a_page_is_never_of_yesterday(http: httpx.AsyncClient) -> None:
    """What has just been posted is on the page, however often it was asked for before."""
    await post_repo(http)
    for number in range(5):
        await post_repo(http, ref=f"wip-{number}", chacra_url=f"https://c.example.org/{number}/")
        response = await http.get("/repos/ceph/", headers=BROWSER)
        assert f"wip-{number}" in response.text
        assert response.headers["Cache-Control"] == "no-cache"


async def test_the_json_of_builds_is_that_of_the_api(http: httpx.AsyncClient) -> None:
    """The same objects at the same levels; below a sha1 the builds of a flavor, and one build."""
    await post_build(http)
    await post_build(http, flavor="debug", url="https://jenkins.example.org/job/ceph/8/")
    http.headers["Accept"] = JSON
    for level in ("", "ceph/", "ceph/main/", f"ceph/main/{SHA1}/"):
        assert (await http.get(f"/builds/{level}")).json() == (await http.get(f"/api/builds/{level}")).json()
    debug, default = (await http.get(f"/api/builds/ceph/main/{SHA1}/")).json()
    assert (await http.get(f"/builds/ceph/main/{SHA1}/debug/")).json() == [debug]
    assert (await http.get(f"/builds/ceph/main/{SHA1}/default/{default['id']}/")).json() == default
    response = await http.get(f"/builds/ceph/main/{SHA1}/debug/{default['id']}/")
    assert (response.status_code, response.headers["Content-Type"]) == (404, PROBLEM)


@pytest.mark.parametrize("path", ["/repos/ceph/", "/builds/ceph/", "/", "/matrix/ceph/main/", "/find/?q=main"])
async def test_a_head_has_the_headers_of_the_page(http: httpx.AsyncClient, path: str) -> None:
    """HEAD is GET without the page."""
    await post_repo(http)
    await post_build(http)
    got, head = await http.get(path, headers=BROWSER), await http.head(path, headers=BROWSER)
    assert (head.status_code, head.content) == (got.status_code, b"")
    names = ("Content-Type", "Content-Security-Policy", "Vary", "Location")
    assert [head.headers.get(name) for name in names] == [got.headers.get(name) for name in names]


@pytest.mark.parametrize("path", ["/", "/builds/ceph/", "/matrix/ceph/main/", "/find/", "/static/pages.css"])
async def test_pages_take_no_posts(http: httpx.AsyncClient, path: str) -> None:
    """405, and which methods there are."""
    response = await http.post(path, json={})
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
