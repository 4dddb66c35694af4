"""Whatever is sent, the answer is a problem that names the fault, and nothing is stored."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import basic
from tests.web.test_repos import BODY, post

MEGABYTE = 1024 * 1024


def assert_problem(response: httpx.Response, status: int, *named: str) -> None:
    """Assert the one shape of an error."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    for name in named:
        assert name in problem["detail"]


async def assert_nothing_stored(http: httpx.AsyncClient) -> None:
    """Assert that the registry is empty."""
    assert (await http.get("/repos/?status=any")).json() == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"not json", "JSON"),
        (b'{"ref": "a",}', "JSON"),
        (b'{"ref": NaN}', "JSON"),
        (b"\xff\xfe{}", "body"),
        (b'{"ref": "\xff"}', "body"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"text"', "object"),
        (b"17", "object"),
        (b"[" * 100_000, "body"),
        (b'{"extra": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}", "deep"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(http: httpx.AsyncClient, body: bytes, named: str) -> None:
    """Malformed JSON, and JSON that is no object."""
    response = await http.post("/repos/ceph/", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, named)
    await assert_nothing_stored(http)


def nested(levels: int) -> Any:
    """Return an object with so many levels, itself counted, of objects and lists in turn."""
    value: Any = 1
    for level in reversed(range(levels)):
        value = [value] if level % 2 else {"a": value}
    return value


WRONG_TEXTS: list[Any] = [1, 1.5, None, True, [], {}, ["a"], "", "  ", "a\x00b", "a\nb", "\x7f", "x" * 256]
WRONG_SHA1S: list[Any] = ["latest", "LATEST", "a b", "a/b", "a-b", "é", "x" * 65, "", 7]
WRONG_EXTRAS: list[Any] = [[], "a", 1, None, {"n": 2**64}, {"a": [{"b": -(2**63) - 1}]}, nested(65), nested(900)]
WRONG_ARCHS: list[Any] = [[], "x86_64", [1], [""], None, ["x86_64"]]
WRONG_TIMES: list[Any] = ["yesterday", "", 5, "1969-12-31", "2026-13-01 00:00:00", None]
WRONG_TIMES += ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
WRONG_URLS: list[Any] = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "javascript:1/alert(1)",
    "data:text/html,hi",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://chacra/",
    "http://[::1",
    "https:///no/host",
    "https://?no=host",
    "https://:80/",
    "https:no.host/",
    "https:80/",
    "https:/no/host",
    "/no/host",
    "//",
    "?no=host",
    "https://user:password@a/",
    "https://a\\@b/",
    "https:\\\\a\\",
    "\\\\a\\b",
    "https://a b/",
    "https://a\u3000b/",
    "https://a%0d%0ab/",
    "https://a:65536/",
    "https://a:http/",
    "https://a/\r\nSet-Cookie: x",
    "https://a/\rx",
    "https://a/\nx",
    "https://a/" + "x" * 2048,
    5,
    ["https://a/"],
]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in ("ref", "distro", "distro_version", "arch", "flavor", "status")
        for value in WRONG_TEXTS
    ]
    + [("sha1", value) for value in WRONG_SHA1S]
    + [(field, value) for field in ("url", "chacra_url") for value in WRONG_URLS]
    + [("url", ""), ("status", "any"), ("status", "Any")]
    + [("extra", value) for value in WRONG_EXTRAS]
    + [("archs", value) for value in WRONG_ARCHS]
    + [("modified", value) for value in WRONG_TIMES],
)
async def test_a_field_that_breaks_its_rule_is_named(http: httpx.AsyncClient, field: str, value: object) -> None:
    """Wrong types, empty and overlong texts, control characters, URLs that would run."""
    response = await http.post("/repos/ceph/", json=BODY | {field: value})
    assert_problem(response, 400, "arch" if field == "archs" else field)
    await assert_nothing_stored(http)


@pytest.mark.parametrize("field", list(BODY))
async def test_a_missing_field_is_named(http: httpx.AsyncClient, field: str) -> None:
    """Each of the six fields of the contract is needed."""
    response = await http.post("/repos/ceph/", json={key: value for key, value in BODY.items() if key != field})
    assert_problem(response, 400, field, "missing")
    await assert_nothing_stored(http)


@pytest.mark.parametrize(
    "url", ["http://a/", "HTTPS://a/", "chacra.ceph.com/r/ceph", "chacra.ceph.com:8080/r", "//a/b"]
)
async def test_http_urls_and_those_without_a_scheme_are_taken(http: httpx.AsyncClient, url: str) -> None:
    """What builders send is kept as it is."""
    assert (await post(http, url=url, chacra_url=url))["url"] == url


async def test_what_is_taken_can_be_read_everywhere(http: httpx.AsyncClient) -> None:
    """An `extra` of the deepest kind is told by every list that tells a record whole."""
    extra = nested(64)
    assert (await post(http, extra=extra))["extra"] == extra
    coordinates = f"ceph/jewel/{BODY['sha1']}/ubuntu/trusty"
    for path in (f"/repos/{coordinates}/x86_64/", "/search/ceph/jewel/", f"/api/repos/{coordinates}/", "/api/search/"):
        response = await http.get(path)
        assert response.status_code == 200
        assert response.json()[0]["extra"] == extra


async def test_a_body_over_one_megabyte_is_413(http: httpx.AsyncClient) -> None:
    """A megabyte is taken, a byte more is not; with and without a length told before."""
    frame = len('{"ref":""}')
    exact = b'{"ref":"' + b"x" * (MEGABYTE - frame) + b'"}'
    kind = {"Content-Type": "application/json"}
    assert_problem(await http.post("/repos/ceph/", content=exact, headers=kind), 400, "ref")
    assert_problem(await http.post("/repos/ceph/", content=exact + b" ", headers=kind), 413, "1 MiB")

    async def chunks() -> Any:
        for _ in range(17):
            yield b" " * 65536

    assert_problem(await http.post("/repos/ceph/", content=chunks(), headers=kind), 413, "1 MiB")
    await assert_nothing_stored(http)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/jsonp",
        "json",
        "",
        "application/json; charset=latin1",
    ],
)
async def test_another_content_type_is_415(http: httpx.AsyncClient, kind: str) -> None:
    """Only JSON is taken, and only in UTF-8."""
    response = await http.post("/repos/ceph/", content=b"{}", headers={"Content-Type": kind})
    assert_problem(response, 415, "Content-Type")
    await assert_nothing_stored(http)


@pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", "application/vnd.api+json", "Application/JSON"])
async def test_json_by_another_name_is_taken(http: httpx.AsyncClient, kind: str) -> None:
    """Parameters and suffixes of the type are no fault."""
    response = await http.post("/repos/ceph/", content=b"{}", headers={"Content-Type": kind})
    assert_problem(response, 400, "missing")


async def test_a_parameter_of_a_post_is_named(http: httpx.AsyncClient) -> None:
    """A POST takes its words from the body only."""
    assert_problem(await http.post("/repos/ceph/?status=any", json=BODY), 400, "status")
    await assert_nothing_stored(http)


async def test_a_project_is_a_name_too(http: httpx.AsyncClient) -> None:
    """The project of a POST keeps the rules of a name."""
    assert_problem(await http.post("/repos/" + "x" * 256 + "/", json=BODY), 400, "project")
    assert_problem(await http.post("/repos/%20/", json=BODY), 400, "project")
    await assert_nothing_stored(http)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic Zm9v",
        "Basic YQ=",
        "Bearer secret",
        "secret",
        "Basic " + "A" * 60_000,
        "Basic /////w==",
        basic("builder", "wrong")["Authorization"],
        basic("nobody", "secret")["Authorization"],
        basic("nobody", "")["Authorization"],
        basic("", "")["Authorization"],
        basic("builder", "secret ")["Authorization"],
        basic("limited", "narrow")["Authorization"],
    ],
)
async def test_without_the_right_credentials_nothing_is_written(http: httpx.AsyncClient, header: str) -> None:
    """Missing, broken and wrong credentials, and those of another project: 401 and what to send."""
    request = http.build_request("POST", "/repos/other/", json=BODY, headers={"Authorization": header})
    response = await http.send(request, auth=None)
    assert_problem(response, 401)
    assert response.headers["WWW-Authenticate"].startswith('Basic realm="Shaman :: API"')
    request = http.build_request("POST", "/repos/other/", json=BODY)
    assert_problem(await http.send(request, auth=None), 401)
    await assert_nothing_stored(http)


async def test_a_limited_user_writes_to_its_project(http: httpx.AsyncClient) -> None:
    """A user with projects may write to those, and reads like everybody."""
    response = await http.post("/repos/ceph/", json=BODY, auth=("limited", "narrow"))
    assert response.status_code == 201


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_body_makes_the_service_fail(data: st.DataObject, process_url: str) -> None:
    """Any JSON in any field is taken or refused, and what is taken can be read again."""
    values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
    names = st.sampled_from([*BODY, "archs", "flavor", "status", "extra", "chacra_url", "modified"])
    changes = data.draw(st.dictionaries(names, values | st.dictionaries(st.text(), values), max_size=3))

    async def send() -> None:
        async with httpx.AsyncClient(base_url=process_url, auth=("builder", "secret")) as http:
            import json  # noqa: PLC0415 - the standard library writes NaN and lone surrogates, as bad clients do

            headers = {"Content-Type": "application/json"}
            response = await http.post("/repos/fuzz/", content=json.dumps(BODY | changes), headers=headers)
            if response.status_code in {200, 201}:
                assert response.json()["project"] == "fuzz"
                assert (await http.get("/repos/fuzz/?status=any")).status_code == 200
                await http.post(
                    "/repos/fuzz/", content=json.dumps(BODY | changes | {"status": "deleted"}), headers=headers
                )
            else:
                assert_problem(response, 400)

    asyncio.run(send())
