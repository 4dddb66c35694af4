"""What every page keeps to: nothing live in what was posted, nothing from other hosts, headers, names for readers."""

from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shaman.checks import check_text
from shaman.errors import Invalid
from tests.web.pages.reading import BROWSER, OTHER, SHA1, page, post_build, post_repo, text_of

HOSTILE = "<img src=x onerror=alert(1)>'\"`{{7*7}}{% x %}&amp;</script><!--\u202e\u2028\ufeff"


async def every_page(http: httpx.AsyncClient, start: str = "/") -> dict[str, Element]:
    """Return every page that can be reached by links of this service, by its path."""
    seen: dict[str, Element] = {}
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith(("/openapi.json", "/api/")):
            continue
        seen[path] = await page(http, path)
        waiting += [link.attrib["href"] for link in seen[path].iter("a") if link.attrib["href"].startswith("/")]
    return seen


def check(root: Element) -> None:
    """Nothing runs, nothing is loaded but the files of this service, and links lead to web pages alone."""
    scripts = [script.attrib for script in root.iter("script")]
    assert all(script.keys() == {"src", "defer"} for script in scripts)
    loaded = [*(script["src"] for script in scripts), *(part.attrib["src"] for part in root.iter("img"))]
    loaded += [link.attrib["href"] for link in root.iter("link")]
    assert all(url.startswith("/static/") for url in loaded)
    assert len(loaded) == 4
    for element in root.iter():
        assert not [
            name for name in element.attrib if name.startswith("on") or name in {"style", "srcdoc", "formaction"}
        ]
        assert element.tag not in {"style", "iframe", "object", "embed", "base"}
    for link in root.iter("a"):
        url = link.attrib["href"]
        assert url.startswith(("/", "#", "http://", "https://"))
        assert not url.startswith("//")
        if url.startswith("http"):
            assert link.attrib["rel"] == "noopener noreferrer"


async def test_every_page_is_strict_and_can_be_read_by_all(http: httpx.AsyncClient) -> None:
    """Over all pages that links lead to: the headers, landmarks, heads of tables, names of what can be focused."""
    await post_repo(http)
    await post_repo(
        http, "kernel", ref="wip/a b", status="failed", chacra_url="https://c.example.org/1/", url="c.example.org/x"
    )
    await post_build(http)
    pages = await every_page(http)
    assert len(pages) > 20
    for path, root in pages.items():
        check(root)
        assert root.attrib["lang"] == "en"
        assert [len(list(root.iter(tag))) for tag in ("main", "header", "footer", "h1", "head")] == [1] * 5, path
        assert all(head.attrib["scope"] for head in root.iter("th"))
        assert all("alt" in image.attrib for image in root.iter("img"))
        labels = {label.attrib["for"] for label in root.iter("label")}
        assert labels == {field.attrib["id"] for field in root.iter("input")}
        for part in root.iter():
            if part.attrib.get("role") == "region" or part.tag == "nav":
                assert part.attrib.keys() & {"aria-label", "aria-labelledby"}
        ids = [part.attrib["id"] for part in root.iter() if "id" in part.attrib]
        assert len(ids) == len(set(ids))
        [description] = (part for part in root.iter("meta") if part.attrib.get("name") == "description")
        assert description.attrib["content"]
    titles = {path: text_of(next(root.iter("title"))) for path, root in pages.items()}
    assert len(set(titles.values())) > len(titles) * 0.6


@pytest.mark.parametrize("path", ["/nothing/", "/repos/x/", "/?a=b", "/find/?q=nothing", "/matrix/a/b/", "/repos/%80/"])
async def test_pages_of_errors_are_strict_too(http: httpx.AsyncClient, path: str) -> None:
    """An error is a page like any other."""
    response = await http.get(path, headers=BROWSER)
    assert response.status_code in {400, 404}
    check(await page(http, path, response.status_code))


def is_name(text: str) -> bool:
    """Tell whether a POST takes this as a name."""
    try:
        check_text("name", text)
    except Invalid:
        return False
    return text.strip() not in {".", ".."} and text == text.strip()


names = st.text(st.sampled_from("<>\"'&`{}%/\\ aé\u202e\u2028\ufeff=;:#?"), min_size=1, max_size=12).filter(is_name)


async def test_nothing_posted_is_live(http: httpx.AsyncClient) -> None:
    """Every text of a repo and a build holds markup, quotes and invisible marks; all of it is shown as it is."""
    text = {"ref": HOSTILE, "distro": HOSTILE, "distro_version": HOSTILE, "flavor": HOSTILE, "status": HOSTILE}
    extra: dict[str, Any] = {HOSTILE: [HOSTILE, {"x": HOSTILE}]}
    url = "https://c.example.org/" + HOSTILE.replace(" ", "+").replace("\u2028", "")
    await post_repo(http, HOSTILE, **text, archs=[HOSTILE], url=url, chacra_url=url + "1", extra=extra)
    await post_build(http, HOSTILE, **text, distro_arch=HOSTILE, url=url, log_url=url, build_id=HOSTILE, extra=extra)
    pages = await every_page(http)
    assert len(pages) > 12
    for path, root in pages.items():
        check(root)
        assert path in {"/repos/", "/builds/", "/docs/"} or HOSTILE[:20] in "".join(root.itertext())


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(project=names, ref=names, status=names, flavor=names, distro=names, version=names, arch=names)
async def test_any_names_are_shown_as_they_are(
    http: httpx.AsyncClient, project: str, ref: str, status: str, flavor: str, distro: str, version: str, arch: str
) -> None:
    """Whatever the names hold, the links of the matrix lead to the repo and the build, and nothing is live."""
    cell = {"distro": distro, "distro_version": version, "flavor": flavor, "status": status, "ref": ref, "sha1": OTHER}
    await post_repo(http, project, **cell, archs=[arch])
    await post_build(http, project, **cell, distro_arch=arch)
    start = f"/matrix/{quote(project, safe='')}/{quote(ref, safe='')}/"
    root = await page(http, start)
    check(root)
    below = [link.attrib["href"] for body in root.iter("tbody") for link in body.iter("a")]
    for path in below:
        if path.startswith("/"):
            found = await page(http, path)
            check(found)
            assert project in "".join(found.itertext())


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://c.example.org/r/", True),
        ("http://c.example.org/r/", True),
        ("c.example.org/r/", True),
        ("", False),
    ],
)
async def test_links_lead_to_web_pages_alone(http: httpx.AsyncClient, url: str, leads: bool) -> None:  # noqa: FBT001
    """By https where no scheme is told; what is empty is no link."""
    await post_repo(http, url=url)
    root = await page(http, f"/repos/ceph/main/{SHA1}/default/1/")
    found = [link.attrib["href"] for link in root.iter("a") if "c.example.org/r/" in link.attrib["href"]]
    assert found == ([url if url.startswith("http") else f"https://{url}"] if leads else [])


@pytest.mark.parametrize("name", ["pages.css", "pages.js", "icon.svg"])
async def test_files_are_kept_by_browsers_for_ever(http: httpx.AsyncClient, name: str) -> None:
    """The URL of another content is another one."""
    root = await page(http, "/")
    urls = [part.attrib.get("src") or part.attrib.get("href", "") for part in root.iter()]
    [url] = {url for url in urls if url.startswith(f"/static/{name}?v=")}
    response = await http.get(url)
    assert response.status_code == 200
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "http" not in response.text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("name", ["", "nothing.css", "..%2F..%2Fapp.py", "%2e%2e/app.py", "pages.css/x"])
async def test_no_other_file_is_told(http: httpx.AsyncClient, name: str) -> None:
    """Only what is in the folder has a name."""
    assert (await http.get(f"/static/{name}")).status_code == 404
