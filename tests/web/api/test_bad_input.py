"""Whatever is sent to the production dialect, the answer is a 4xx that names the fault, and nothing is stored."""

import json
from typing import Any

import httpx
import pytest

from tests.conformance.api import Api, repo_body, sha1
from tests.conftest import basic
from tests.web.test_bad_input import MEGABYTE, WRONG_EXTRAS, WRONG_SHA1S, WRONG_TEXTS, WRONG_TIMES, WRONG_URLS

# What comes in over the wire is read before the store is asked, so one way of serving stands for all.
pytestmark = pytest.mark.parametrize("http", ["process"], indirect=True)

PLACE = f"/api/repos/p/main/{sha1(1)}/ubuntu/noble/"

WRONG_ARCHS: list[Any] = ["x86_64", [1], [""], [None], {}, ["a\n"], ["x" * 256]]

BODIES: list[tuple[bytes, str]] = [
    (b"", "JSON"),
    (b"{", "JSON"),
    (b"not json", "JSON"),
    (b"chacra_url=https%3A%2F%2Fa%2F&status=ready", "JSON"),
    (b'{"ref": NaN}', "JSON"),
    (b"\xff\xfe{}", "body"),
    (b'\xef\xbb\xbf{"status": "deleted"}', "body"),
    (b'{"ref": "\xff"}', "body"),
    (b'{"ref": "\\ud800"}', "body"),
    (b"[]", "object"),
    (b"null", "object"),
    (b'"text"', "object"),
    (b"17", "object"),
    (b"[" * 100_000, "body"),
    (b'{"extra": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}", "deep"),
    (b'{"unknown": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "deep"),
]


def assert_error(response: httpx.Response, status: int, *named: str) -> None:
    """Assert the one shape of an error for those who ask for JSON, and that it names the fault."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    told = response.json()
    assert set(told) == {"code", "title", "description"}
    assert told["code"] == status
    for name in named:
        assert name in told["description"]


def assert_comments(response: httpx.Response, status: int, *named: str) -> None:
    """Assert the shape of an error for anyone else: nothing but comments."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.text.endswith("\n")
    assert all(line.startswith("# ") for line in response.text.splitlines())
    for name in named:
        assert name in response.text


@pytest.fixture
def api(http: httpx.AsyncClient) -> Api:
    """Return the dialect seen by a program that asks for JSON."""
    http.headers["Accept"] = "application/json"
    return Api(http, "p")


@pytest.mark.parametrize(("body", "named"), BODIES)
async def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes, named: str) -> None:
    """Malformed JSON, and JSON that is no object."""
    assert_error(await api.http.post("/api/repos/p/", content=body), 400, named)
    text = await api.http.post("/api/repos/p/", content=body, headers={"Accept": "*/*"})
    assert_comments(text, 400, named)
    await api.nothing_stored()


# A null says nothing in this dialect.
@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in ("ref", "distro", "distro_version", "flavor", "status")
        for value in WRONG_TEXTS
        if value is not None
    ]
    + [("sha1", value) for value in WRONG_SHA1S]
    + [(field, value) for field in ("url", "chacra_url") for value in WRONG_URLS]
    + [("chacra_url", value) for value in ("", "/", "///", "https://", "http:///")]
    + [("status", "any")]
    + [("extra", value) for value in WRONG_EXTRAS if value is not None]
    + [("archs", value) for value in WRONG_ARCHS]
    + [("modified", value) for value in WRONG_TIMES if value is not None],
)
async def test_a_field_that_breaks_its_rule_is_named(api: Api, field: str, value: object) -> None:
    """Wrong types, empty and overlong texts, control characters, URLs that would run; of a known record, too."""
    body = repo_body("p") | {field: value}
    assert_error(await api.http.post("/api/repos/p/", json=body), 400, field)
    await api.nothing_stored()
    if field not in {"chacra_url", "status"}:
        await api.post_repo()
        before = await api.one_repo()
        body = {"chacra_url": before["chacra_url"], "status": "failed", field: value}
        assert_error(await api.http.post("/api/repos/p/", json=body), 400, field)
        assert await api.one_repo() == before


async def test_a_body_over_one_megabyte_is_413(api: Api) -> None:
    """A megabyte is read, a byte more is not; with and without a length told before."""
    exact = b'{"ref":"' + b"x" * (MEGABYTE - len('{"ref":""}')) + b'"}'
    assert_error(await api.http.post("/api/repos/p/", content=exact), 400, "chacra_url")
    assert_error(await api.http.post("/api/repos/p/", content=exact + b" "), 413, "1 MiB")

    async def chunks() -> Any:
        for _ in range(17):
            yield b" " * 65536

    assert_error(await api.http.post("/api/repos/p/", content=chunks()), 413, "1 MiB")
    await api.nothing_stored()


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("/api/repos/%zz/", "%zz"),
        ("/api/repos/p/100%/", "%/"),
        ("/api/repos/p/%", "%"),
        ("/api/repos/%ff/", "UTF-8"),
        ("/api/repos/p/%ed%a0%80/", "UTF-8"),
        ("/api/repos/a%00b/", "control"),
        ("/api/repos/p/a%0ab/", "control"),
        (PLACE + "x86_64/%0d%0aSet-Cookie:%20x", "control"),
        (PLACE + "x86_64/..%2f..%2fetc", "path"),
        (PLACE + "repo?arch=%0d", "control"),
        ("/api/search?distros=%g1", "%g1"),
        ("/api/search?distros=%ff", "UTF-8"),
        ("/api/search?ref=%00", "control"),
        ("/api/search?distros=" + ",".join(["centos/9"] * 65), "terms"),
        ("/api/repos/" + "x" * 65536 + "/", "path"),
        ("/api/" + "x/" * 32768, "path"),
        (PLACE + "x86_64/" + "a/" * 32768, "path"),
        ("/api/search?distros=" + "x" * 65536, "query"),
        ("/api/search?" + "a=b&" * 16384, "query"),
    ],
)
async def test_a_broken_url_is_named(api: Api, target: str, named: str) -> None:
    """Broken escapes, control characters, and paths and queries without end."""
    request = api.http.build_request("GET", "/", extensions={"target": target.encode()})
    assert_error(await api.http.send(request), 400, named)
    request.headers["Accept"] = "text/html"
    assert_comments(await api.http.send(request), 400, named)


@pytest.mark.parametrize("name", ["colour", "status", "distros"])
async def test_an_unknown_parameter_of_a_path_is_named(api: Api, name: str) -> None:
    """A filter that a path does not have is not taken for none; a POST has none at all."""
    await api.post_repo()
    before = await api.search()
    for path in (
        "/api/",
        "/api/repos/",
        "/api/repos/p/",
        "/api/repos/p/main/",
        PLACE,
        PLACE + "repo",
        PLACE + "x86_64/a",
    ):
        assert_error(await api.http.get(path, params={name: "red"}), 400, name)
    assert_error(await api.http.post("/api/repos/p/", params={name: "x"}, json=repo_body("p", ref="x")), 400, name)
    assert_error(await api.http.get(PLACE + "repo?arch=arm64&arch=x86_64"), 400, "arch")
    assert await api.search() == before


async def test_a_project_is_a_name_too(api: Api) -> None:
    """The project of a POST keeps the rules of a name."""
    for project in ("x" * 256, "%20"):
        assert_error(await api.http.post(f"/api/repos/{project}/", json=repo_body("p")), 400, "project")
    assert (await api.get("/api/"))["repos"] == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic Zm9v",
        "Bearer secret",
        "Basic " + "A" * 60_000,
        "Basic /////w==",
        basic("builder", "wrong")["Authorization"],
        basic("nobody", "secret")["Authorization"],
        basic("", "")["Authorization"],
        basic("limited", "narrow")["Authorization"],
    ],
)
async def test_without_the_right_credentials_nothing_is_written(api: Api, header: str) -> None:
    """Missing, broken and wrong credentials, and those of another project: 401 before anything else is looked at."""
    for content in (json.dumps(repo_body("p")), "not json"):
        request = api.http.build_request("POST", "/api/repos/p/", content=content, headers={"Authorization": header})
        response = await api.http.send(request, auth=None)
        assert_error(response, 401)
        assert response.headers["WWW-Authenticate"] == 'Basic realm="Shaman :: API"'
    await api.nothing_stored()


@pytest.mark.parametrize("path", ["/api/", "/api/repos/p/", PLACE, "/api/search/?project=p"])
async def test_credentials_do_no_harm_to_a_reader(api: Api, path: str) -> None:
    """What is public is told whatever `Authorization` says."""
    await api.post_repo()
    for header in ("", "Basic !!!", "Bearer x", basic("builder", "wrong")["Authorization"]):
        request = api.http.build_request("GET", path, headers={"Authorization": header})
        assert (await api.http.send(request, auth=None)).status_code == 200


@pytest.mark.parametrize(
    ("accept", "json_expected"),
    [
        ("application/json", True),
        ("application/JSON; charset=utf-8", True),
        ("application/*", True),
        ("text/plain;q=0.5, application/json", True),
        ("application/json;q=0.1, text/plain", False),
        ("application/json;q=0", False),
        ("text/html, */*", False),
        ("*/*", False),
        ("", False),
        (",;=/", False),
        ("a" * 8000, False),
        ("application/xml", False),
    ],
)
async def test_any_accept_is_answered(api: Api, accept: str, json_expected: bool) -> None:  # noqa: FBT001
    """The shape of an error follows `Accept`, and one that makes no sense asks for nothing."""
    response = await api.http.get("/api/repos/p/", headers={"Accept": accept})
    (assert_error if json_expected else assert_comments)(response, 404, "p")


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
@pytest.mark.parametrize("path", ["/api", "/api/repos", "/api/repos/p", "/api/repos/p/main", PLACE, "/api/search"])
async def test_a_wrong_method_is_405(api: Api, method: str, path: str) -> None:
    """The answer names the methods that the path takes, with and without slash."""
    for form in (path.rstrip("/"), path.rstrip("/") + "/"):
        response = await api.http.request(method, form)
        assert_error(response, 405, "GET")
        assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("path", ["/api/nothing", "/api/nothing/", "/api/repos//main/", "/api/search/p/"])
async def test_no_such_path_is_404(api: Api, path: str) -> None:
    """What is no route of this dialect has the errors of this dialect all the same."""
    for method in ("GET", "POST"):
        response = await api.http.request(method, path)
        assert_error(response, 404)
