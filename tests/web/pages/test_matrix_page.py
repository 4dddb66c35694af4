"""The matrix of a ref as a page."""

from xml.etree.ElementTree import Element

import httpx

from tests.web.pages.reading import OTHER, SHA1, main_text, page, post_build, post_repo, read, rows, text_of


def heads(root: Element) -> list[list[str]]:
    """Return the texts of the two rows of heads."""
    return [[text_of(cell) for cell in row] for head in root.iter("thead") for row in head]


async def test_a_cell_tells_state_age_repo_and_log(http: httpx.AsyncClient) -> None:
    """Repos and builds of a sha1 meet in one cell, which links to both."""
    await post_build(http)
    await post_repo(http)
    root = await page(http, "/matrix/ceph/main/")
    assert heads(root) == [["Sha1", "centos 9"], ["x86_64"]]
    [cell] = (cell for cell in root.iter("td"))
    assert cell.attrib["class"] == "ready"
    assert text_of(cell).startswith("ready ")
    links = {text_of(link): link.attrib for link in cell.iter("a")}
    assert links["repo"]["href"] == f"/repos/ceph/main/{SHA1}/default/1/"
    assert links["log"] == {"href": "https://jenkins.example.org/job/ceph/7/console", "rel": "noopener noreferrer"}


async def test_rows_are_sha1s_and_columns_what_occurs(http: httpx.AsyncClient) -> None:
    """Newest first; what a sha1 is not built for is empty; the newest complete row is marked, once."""
    await post_repo(http)
    await post_repo(
        http, chacra_url="https://c.example.org/2/", distro="ubuntu", distro_version="noble", flavor="debug"
    )
    await post_build(http, sha1=OTHER)
    await post_build(
        http, sha1=OTHER, distro=None, distro_version=None, distro_arch=None, status="queued", url="https://j/1"
    )
    root = await page(http, "/matrix/ceph/main/")
    assert heads(root) == [["Sha1", "centos 9", "ubuntu noble"], ["x86_64", "x86_64debug"]]
    newest, complete = rows(root)
    assert newest[0].startswith(OTHER[:10])
    assert "queued" in newest[0]
    assert newest[1].startswith("building")
    assert newest[2] == ""
    assert "newest complete" in complete[0]
    assert main_text(root).count("newest complete") == 1
    assert f"Newest complete: {SHA1}, ready for all 2 columns" in main_text(root)


async def test_the_matrix_is_cut_to_pages(http: httpx.AsyncClient) -> None:
    """Every sha1 once, newest first; only the first page has events and a complete row."""
    names = [f"{number:040x}" for number in range(30)]
    for number, name in enumerate(names):
        await post_repo(http, sha1=name, chacra_url=f"https://c.example.org/{number}/")
    path, seen, pages = "/matrix/ceph/main/", [], []
    while path:
        pages.append(await page(http, path))
        seen += [code.attrib["title"] for body in pages[-1].iter("tbody") for code in body.iter("code")]
        path = next((link.attrib["href"] for link in pages[-1].iter("a") if link.attrib.get("rel") == "next"), "")
    assert seen == names[::-1]
    live = [next(part for part in root.iter("div") if part.attrib.get("id") == "live").attrib for root in pages]
    assert live == [{"id": "live", "data-events": "/events?project=ceph&ref=main"}, {"id": "live"}]
    assert ["newest complete" in main_text(root) for root in pages] == [True, False]


async def test_a_page_with_many_cells_has_fewer_rows(http: httpx.AsyncClient) -> None:
    """However many columns, names and URLs: under 200 KB, and what does not fit is on the next page."""
    for number in range(4):
        for column in range(70):
            await post_build(
                http,
                sha1=f"{number:08x}",
                distro_version=str(column),
                url="https://j.example.org/" + "x" * 1000,
                log_url=None,
            )
    path, seen = "/matrix/ceph/main/", []
    while path:
        root = await page(http, path)
        assert "10 more columns do not fit" in main_text(root)
        seen += [row[0][:8] for row in rows(root)]
        path = next((link.attrib["href"] for link in root.iter("a") if link.attrib.get("rel") == "next"), "")
    assert seen == [f"{number:08x}" for number in (3, 2, 1, 0)]


async def test_a_status_is_never_told_by_colour_alone(http: httpx.AsyncClient) -> None:
    """Each state is a word in its cell, also one that nobody foresaw."""
    states = ["requested", "queued", "building", "ready", "failed", "on fire"]
    for number, status in enumerate(states):
        await post_repo(http, distro_version=str(number), status=status, chacra_url=f"https://c.example.org/{number}/")
    response = await http.get("/matrix/ceph/main/", headers={"Accept": "text/html"})
    cells = list(read(response.text).iter("td"))
    for cell, status in zip(cells, states, strict=True):
        assert text_of(cell).startswith(status)
        assert cell.attrib["class"] == ("other" if status == "on fire" else status)
