"""Whatever is asked, a URL that makes no sense is a problem that names the fault."""

import httpx
import pytest

from tests.web.test_bad_input import assert_problem
from tests.web.test_repos import BODY, post


@pytest.mark.parametrize(
    "path",
    [
        "/repos/",
        "/repos/ceph/",
        "/repos/ceph/jewel/",
        f"/repos/ceph/jewel/{BODY['sha1']}/",
        f"/repos/ceph/jewel/{BODY['sha1']}/ubuntu/",
        f"/repos/ceph/jewel/{BODY['sha1']}/ubuntu/trusty/",
        f"/repos/ceph/jewel/{BODY['sha1']}/ubuntu/trusty/x86_64/",
        "/repos/ceph/jewel/latest/ubuntu/",
        "/search/ceph/jewel/",
        "/nodes/",
        "/nodes/next/",
    ],
)
async def test_an_unknown_parameter_is_named(http: httpx.AsyncClient, path: str) -> None:
    """A misspelt filter is not taken for no filter, whatever else is asked, with and without a slash at the end."""
    await post(http)
    assert (await http.get(path)).status_code == 200
    for each in (path, path.rstrip("/")):
        for query, name in (("colour=red", "colour"), ("Status=any", "Status"), ("gr%C3%B6%C3%9Fe", "größe")):
            assert_problem(await http.get(f"{each}?{query}"), 400, name)


@pytest.mark.parametrize("path", ["/repos/", "/repos/ceph/", "/repos/ceph/jewel/latest/ubuntu/trusty/x86_64/"])
@pytest.mark.parametrize("query", ["status=", "status", "status=%20", "status=any&status=any", "status=" + "x" * 256])
async def test_a_status_that_is_none_is_named(http: httpx.AsyncClient, path: str, query: str) -> None:
    """A status is given once and is a name."""
    await post(http)
    assert_problem(await http.get(f"{path}?{query}"), 400, "status")


@pytest.mark.parametrize(
    "target", ["//", "//repos/", "/repos//", "/repos/ceph//", "/repos/ceph/jewel//", "/repos//jewel/", "/nodes//"]
)
async def test_an_empty_name_is_no_name(http: httpx.AsyncClient, target: str) -> None:
    """A variable that a script has left empty does not make the question one of the level above."""
    await post(http)
    request = http.build_request("GET", "/", extensions={"target": target.encode()})
    assert_problem(await http.send(request), 404, "path")


@pytest.mark.parametrize("path", ["/repos/", "/nothing/"])
async def test_nobody_takes_websockets(http: httpx.AsyncClient, path: str) -> None:
    """A handshake is refused, or answered as if it were none, as HTTP allows."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    response = await http.get(path, headers=upgrade)
    if response.status_code == 200:
        assert (path, response.json()) == ("/repos/", [])
    else:
        assert_problem(response, 400 if path == "/repos/" else 404)


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("/repos/%zz/", "%zz"),
        ("/repos/100%/", "%/"),
        ("/repos/ceph/%", "%"),
        ("/repos/%ff/", "UTF-8"),
        ("/repos/%ed%a0%80/", "UTF-8"),
        ("/repos/a%00b/", "control"),
        ("/repos/a%0ab/", "control"),
        ("/search/ceph/main/?distros=%g1", "%g1"),
        ("/search/ceph/main/?distros=%ff", "UTF-8"),
        ("/repos/" + "x" * 65000 + "/", "path"),
        ("/" + "x/" * 32000, "path"),
        ("/search/ceph/main/?distros=" + "x" * 65000, "query"),
    ],
)
async def test_a_broken_url_is_named(http: httpx.AsyncClient, target: str, named: str) -> None:
    """Broken escapes, control characters and paths without end."""
    request = http.build_request("GET", "/", extensions={"target": target.encode()})
    assert_problem(await http.send(request), 400, named)


@pytest.mark.parametrize("path", ["/repos/" + "x" * 100_000 + "/", "/search/ceph/main/?distros=" + "x" * 100_000])
async def test_a_url_without_end_is_refused(http: httpx.AsyncClient, path: str) -> None:
    """Whatever its length; granian refuses by itself what is longer than 65,534 bytes, and tells that by 414 alone."""
    response = await http.send(http.build_request("GET", "/", extensions={"target": path.encode()}))
    if response.status_code == 414:
        assert response.content == b""
    else:
        assert_problem(response, 400, "longer than 8192 bytes")
