"""Every path of the native dialect by every method."""

import httpx
import pytest

from tests.web.test_repos import post


async def test_head_answers_where_get_does(http: httpx.AsyncClient) -> None:
    """HEAD has the headers of GET and no body."""
    await post(http)
    for path in ("/repos/", "/repos/ceph", "/search/ceph/jewel/", "/nodes/"):
        head, full = await http.head(path), await http.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == full.headers["Content-Length"] == str(len(full.content))


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/repos/", "GET, HEAD, OPTIONS"),
        ("/repos/ceph/", "GET, HEAD, OPTIONS, POST"),
        ("/repos/ceph/jewel/", "GET, HEAD, OPTIONS"),
        ("/search/ceph/jewel/", "GET, HEAD, OPTIONS"),
        ("/nodes/", "GET, HEAD, OPTIONS"),
        ("/nodes/next/", "GET, HEAD, OPTIONS"),
        ("/_health/", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_405(http: httpx.AsyncClient, path: str, methods: str) -> None:
    """The answer names the methods that the path takes, with and without a slash at its end, and OPTIONS does too."""
    wrong = ["DELETE", "PUT", "PATCH"] + (["POST"] if "POST" not in methods else [])
    for each in (path, path.rstrip("/")):
        for method in wrong:
            response = await http.request(method, each)
            assert response.status_code == 405
            assert response.headers["Allow"] == methods
            assert response.headers["Content-Type"] == "application/problem+json"
        options = await http.options(each)
        assert options.status_code == 200
        assert sorted(options.headers["Allow"].split(", ")) == methods.split(", ")
        assert "Content-Type" not in options.headers


async def test_a_wrong_method_or_path_is_told_before_a_wait(http: httpx.AsyncClient) -> None:
    """Where there is nothing to wait for, that is what is said."""
    assert (await http.request("TRACE", "/repos/?wait=25")).status_code == 405
    assert (await http.get("/nothing/here/?wait=25")).status_code == 404
