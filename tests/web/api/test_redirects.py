"""Redirects lead only where a POST of today could have led, whatever an older record says."""

import httpx
import pytest

from shaman.models import Repo
from shaman.store import Store
from tests.conftest import served
from tests.web.test_bad_input import WRONG_URLS

pytestmark = pytest.mark.parametrize("redis", ["fakeredis", "server"], indirect=True)

PLACE = "/api/repos/ceph/main/a0/ubuntu/noble/"


def repo(number: int, url: str) -> Repo:
    """Return a ready repo that was imported before the rules of a URL were those of today."""
    return Repo(
        id=number,
        project="ceph",
        ref="main",
        sha1="a0",
        distro="ubuntu",
        distro_version="noble",
        archs=("x86_64",),
        modified=number,
        created=1,
        url=url,
        chacra_url=url,
    )


@pytest.mark.parametrize("url", [url for url in WRONG_URLS if isinstance(url, str)])
async def test_an_old_record_leads_nowhere_else(store: Store, url: str) -> None:
    """What could not be posted is no place to go: the next newest repo is, and without one nothing is ready."""
    await store.restores.repos("ceph", [repo(2, url)])
    async with served(store) as base, httpx.AsyncClient(base_url=base) as http:
        for path in (PLACE + "repo", PLACE + "x86_64/a.deb", "/api/repos/ceph/main/latest/ubuntu/noble/repo"):
            refused = await http.get(path)
            assert (refused.status_code, refused.headers.get("Location")) == (504, None)
        await store.restores.repos("ceph", [repo(1, "https://good.example.org/r")])
        for path, name in ((PLACE + "repo", "repo"), (PLACE + "x86_64/a.deb", "a.deb")):
            assert (await http.get(path)).headers["Location"] == f"https://good.example.org/r/{name}"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (PLACE + "x86_64//evil.example.org/", 302),
        (PLACE + "x86_64/https://evil.example.org/", 302),
        (PLACE + "x86_64/%5C%5Cevil.example.org/", 302),
        (PLACE + "x86_64/@evil.example.org/", 302),
        (PLACE + "x86_64/%0d%0aLocation:%20https://evil.example.org/", 400),
        (PLACE + "x86_64/..%2f..%2f", 400),
        ("//evil.example.org/", 404),
        ("//evil.example.org/..", 404),
        ("/%5Cevil.example.org/", 404),
        ("/repos//evil.example.org", 404),
    ],
)
async def test_a_path_does_not_choose_the_host(store: Store, path: str, status: int) -> None:
    """No path makes the service redirect anywhere but below the URL of a record."""
    await store.restores.repos("ceph", [repo(1, "https://good.example.org/r")])
    async with served(store) as base, httpx.AsyncClient(base_url=base) as http:
        response = await http.send(http.build_request("GET", "/", extensions={"target": path.encode()}))
    assert response.status_code == status
    assert response.headers.get("Location", "https://good.example.org/r/").startswith("https://good.example.org/r/")
