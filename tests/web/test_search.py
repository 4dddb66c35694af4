"""`/search/` over real sockets, on every backend and against a real process."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.web.test_repos import get, post


async def fill(http: httpx.AsyncClient) -> None:
    """Build three sha1s: a1 for all, b2 for all but arm64, c3 for ubuntu only."""
    jammy = {"distro": "ubuntu", "distro_version": "jammy"}
    centos = {"distro": "centos", "distro_version": "9"}
    for sha1, cell, arch in (
        ("a1", jammy, "x86_64"),
        ("a1", centos, "x86_64"),
        ("a1", centos, "arm64"),
        ("b2", centos, "x86_64"),
        ("b2", jammy, "x86_64"),
        ("c3", jammy, "x86_64"),
    ):
        await post(http, ref="main", sha1=sha1, arch=arch, **cell)
    await post(http, ref="main", sha1="d4", arch="x86_64", **centos, status="building")
    await post(http, ref="main", sha1="c3", arch="x86_64", **jammy, flavor="debug")


def told(repos: list[dict[str, Any]]) -> list[str]:
    """Return objects in short."""
    return [f"{repo['sha1']} {repo['distro']} {repo['arch']}" for repo in repos if repo["flavor"] == "default"]


async def test_by_ref_the_newest_of_each_is_found(http: httpx.AsyncClient) -> None:
    """One object for each distro, version, flavor and arch, newest first."""
    await fill(http)
    found = await get(http, "/search/ceph/main/")
    assert told(found) == ["c3 ubuntu x86_64", "b2 centos x86_64", "a1 centos arm64"]
    assert [repo["flavor"] for repo in found] == ["debug", "default", "default", "default"]


async def test_by_sha1_every_repo_is_found(http: httpx.AsyncClient) -> None:
    """All repos of the sha1, newest first."""
    await fill(http)
    assert told(await get(http, "/search/ceph/a1/")) == ["a1 centos arm64", "a1 centos x86_64", "a1 ubuntu x86_64"]
    assert told(await get(http, "/search/ceph/a1?arch=amd64&distros=centos")) == ["a1 centos x86_64"]


@pytest.mark.parametrize(
    "distros",
    [
        "ubuntu",
        "Ubuntu",
        "ubuntu.jammy",
        "ubuntu/jammy",
        " ubuntu / jammy ",
        "UBUNTU.JAMMY",
        "ubuntu/22.04",
        "ubuntu.22.04",
        "ubuntu/jammy/x86_64",
        "ubuntu/jammy/AMD64",
        "ubuntu/jammy,ubuntu/noble",
        "debian, ubuntu",
    ],
)
async def test_distros_are_written_in_many_ways(http: httpx.AsyncClient, distros: str) -> None:
    """Dot or slash, blanks, any case, the name only, codename or number."""
    await fill(http)
    found = await http.get("/search/ceph/main/", params={"distros": distros, "flavor": "default"})
    assert told(found.json()) == ["c3 ubuntu x86_64"]


async def test_the_query_of_the_contract_works_as_printed(http: httpx.AsyncClient) -> None:
    """The examples of the contract, with their slashes and commas unquoted."""
    await fill(http)
    assert told(await get(http, "/search/ceph/main/?distros=ubuntu,%20centos.9")) == [
        "c3 ubuntu x86_64",
        "b2 centos x86_64",
        "a1 centos arm64",
    ]
    common = await get(http, "/search/ceph/main/?common_sha1=True&distros=centos/9,ubuntu/jammy")
    assert told(common) == ["b2 ubuntu x86_64", "b2 centos x86_64"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("distros=centos,ubuntu", ["b2 ubuntu x86_64", "b2 centos x86_64"]),
        ("distros=centos/9/arm64,ubuntu", ["a1 centos arm64", "a1 ubuntu x86_64"]),
        ("distros=centos,ubuntu&arch=x86_64", ["b2 ubuntu x86_64", "b2 centos x86_64"]),
        ("distros=centos,ubuntu&arch=arm64", []),
        ("distros=centos/9/arm64,ubuntu&arch=x86_64", []),
        ("distros=centos,ubuntu&flavor=debug", []),
        ("distros=centos,debian", []),
        ("distros=centos&status=any", ["d4 centos x86_64"]),
        ("distros=centos&distros=ubuntu", ["b2 ubuntu x86_64", "b2 centos x86_64"]),
        ("", ["c3 ubuntu x86_64"]),
    ],
)
async def test_a_common_sha1_has_every_term(http: httpx.AsyncClient, query: str, expected: list[str]) -> None:
    """The newest sha1 with a match for each term, or nothing."""
    await fill(http)
    for spelling in ("true", "True", "1", "yes", "on"):
        assert (
            told(await get(http, f"/search/ceph/main/?{query}&common_sha1={spelling}".replace("?&", "?"))) == expected
        )


async def test_a_sha1_is_common_to_its_own_distros_only(http: httpx.AsyncClient) -> None:
    """Asked by sha1, it has every term or nothing is found."""
    await fill(http)
    assert len(await get(http, "/search/ceph/b2/?common_sha1=true&distros=centos,ubuntu")) == 2
    assert await get(http, "/search/ceph/c3/?common_sha1=true&distros=centos,ubuntu") == []


async def test_filters_narrow(http: httpx.AsyncClient) -> None:
    """Arch with aliases, flavor and status."""
    await fill(http)
    assert told(await get(http, "/search/ceph/main/?arch=aarch64")) == ["a1 centos arm64"]
    assert len(await get(http, "/search/ceph/main/?flavor=debug")) == 1
    assert told(await get(http, "/search/ceph/main/?status=building")) == ["d4 centos x86_64"]
    assert told(await get(http, "/search/ceph/main/?status=any&distros=centos&arch=x86_64")) == ["d4 centos x86_64"]
    assert told(await get(http, "/search/ceph/main/?distros=centos&common_sha1=off")) == [
        "b2 centos x86_64",
        "a1 centos arm64",
    ]


async def test_nothing_found_is_an_empty_list(http: httpx.AsyncClient) -> None:
    """An unknown project, ref or sha1 is no error to a search."""
    await fill(http)
    for path in ("/search/nothing/main/", "/search/ceph/nothing/", "/search/ceph/main/?distros=debian"):
        assert await get(http, path) == []


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("distro=ubuntu", "distro"),
        ("sha1=latest", "sha1"),
        ("distros=", "distros"),
        ("distros=ubuntu,,centos", "distros"),
        ("distros=ubuntu/", "distros"),
        ("distros=/jammy", "distros"),
        ("distros=a/b/c/d", "distros"),
        ("common_sha1=maybe", "common_sha1"),
        ("common_sha1=", "common_sha1"),
        ("arch=", "arch"),
        ("arch=x86_64&arch=arm64", "arch"),
        ("status=" + "x" * 300, "status"),
        ("flavor=a%00b", "query"),
        (quote("größe") + "=1", "größe"),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_named(http: httpx.AsyncClient, query: str, name: str) -> None:
    """An unknown name or a malformed value is 400, and the answer says which."""
    response = await http.get(f"/search/ceph/main/?{query}")
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert name in response.json()["detail"]
