"""A flow on each kind of store that is more than one plain server."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from msgspec.structs import replace

from shaman.hooks import Webhook
from shaman.store import Store
from shaman.store.connection import connect
from tests.backends import STORES, admin_url
from tests.conftest import CONFIG, RELEASES, basic, served
from tests.receiver import Receiver, listening, receiving
from tests.store.audit import audit
from tests.test_webhooks import begun
from tests.web.pages.reading import BROWSER
from tests.web.workers import until

PROJECTS = ["ceph", "nfs-ganesha", "tcmu-runner", "rtslib"]
"""In slots of all three nodes of the cluster."""

REPO = {"ref": "main", "sha1": "a0", "distro": "ubuntu", "distro_version": "noble", "arch": "x86_64"}
URLS = {"url": "https://1.example.org/r/", "chacra_url": "https://1.example.org/repos/"}

Two = tuple[httpx.AsyncClient, httpx.AsyncClient]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Return the webhook of both applications."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture(params=STORES)
async def two(request: pytest.FixtureRequest, receiver: Receiver) -> AsyncIterator[Two]:
    """Serve an empty store of each kind by two applications, each with connections of its own; a client of each."""
    hook = Webhook(name="ci", url=receiver.url, secret="0123456789abcdef", kinds=("repo", "build"))
    config = replace(CONFIG, webhooks=(hook,))
    url = request.getfixturevalue(f"{request.param}_url")
    admin = connect(admin_url(url), 2)
    await admin.flushall()
    stores = [Store(connect(url, 4), config, RELEASES) for _ in range(2)]
    async with served(stores[0], config) as first, served(stores[1], config) as second:
        await until(lambda: all(store.wakeups.trusted() for store in stores))
        await begun(stores[0])
        async with httpx.AsyncClient(base_url=first) as one, httpx.AsyncClient(base_url=second) as other:
            one.headers = other.headers = httpx.Headers(basic("builder", "secret"))
            yield one, other
    await audit(admin)
    await admin.aclose()


async def becomes(client: httpx.AsyncClient, path: str, expected: object) -> None:
    """Return when a path answers `expected`."""
    for _ in range(200):
        answer = (await client.get(path)).json()
        if answer == expected:
            return
        await asyncio.sleep(0.01)
    assert answer == expected


async def test_a_flow(two: Two) -> None:
    """What one application writes, moves and deletes the other one answers with, though it has answered before."""
    one, other = two
    for project in PROJECTS:
        assert (await other.get(f"/repos/{project}/")).status_code == 404
        assert (await one.post(f"/repos/{project}/", json=REPO | URLS)).status_code == 201
        await becomes(other, f"/repos/{project}/main/", ["a0"])
        assert (await one.post(f"/repos/{project}/", json=REPO | URLS | {"sha1": "b1"})).status_code == 200
        await becomes(other, f"/repos/{project}/main/", ["b1"])
        assert len((await one.get(f"/search/{project}/main/?common_sha1=true&distros=ubuntu/noble")).json()) == 1
        assert (await one.get(f"/repos/{project}/main/latest/ubuntu/")).json() == ["noble"]
    assert sorted((await other.get("/repos/")).json()) == sorted(PROJECTS)
    assert len((await other.get("/api/search?sha1=b1")).json()) == len(PROJECTS)
    gone = {"chacra_url": URLS["chacra_url"], "status": "deleted"}
    assert (await one.post("/api/repos/ceph/", json=gone)).status_code == 200
    await becomes(other, "/api/search?project=ceph", [])


async def test_builds_and_nodes(two: Two) -> None:
    """Builds of projects at different nodes are listed together, and nodes are handed out in turn by both."""
    one, other = two
    for project in PROJECTS:
        build = {"ref": "main", "sha1": "a0", "status": "queued", "url": "https://ci.example.org/1/"}
        assert (await one.post(f"/api/builds/{project}/", json=build)).status_code == 200
    await becomes(other, "/api/builds/", {project: ["main"] for project in PROJECTS})
    assert (await one.post("/api/nodes/new.example.org/")).status_code == 200
    taken = [(await client.get("/nodes/next/")).json()["url"] for client in (one, other, one)]
    assert len(set(taken)) == 3
    for client in two:
        assert (await client.get("/_health/")).status_code == 204


async def test_what_is_written_is_told_and_found(two: Two, receiver: Receiver) -> None:
    """Wherever the slot of a project is: a listener and a webhook hear of it, and the search box leads to its page."""
    one, other = two
    sha1s = {project: f"{number}a0b1c2" for number, project in enumerate(PROJECTS)}
    async with listening(other) as stream:
        for project, sha1 in sha1s.items():
            assert (await one.post(f"/repos/{project}/", json=REPO | URLS | {"sha1": sha1})).status_code == 201
            build = {"ref": "main", "sha1": f"b{sha1}", "status": "queued", "url": "https://ci.example.org/1/"}
            assert (await one.post(f"/api/builds/{project}/", json=build)).status_code == 200
        told = [await stream.next() for _ in 2 * PROJECTS]
    written = sorted([*sha1s.values(), *(f"b{sha1}" for sha1 in sha1s.values())])
    assert sorted(event.data["sha1"] for event in told) == written
    async with listening(one, Last_Event_ID=told[0].id) as stream:
        missed = [await stream.next() for _ in told[1:]]
    assert sorted(event.data["sha1"] for event in [told[0], *missed]) == written
    await until(lambda: len(receiver.taken) == len(told))
    assert sorted(receiver.sha1s) == written
    for project, sha1 in sha1s.items():
        for asked, path in (
            (sha1[:4], f"/repos/{project}/main/{sha1}/"),
            (f"b{sha1[:4]}", f"/builds/{project}/main/b{sha1}/"),
        ):
            found = await other.get(f"/find/?q={asked}", headers=BROWSER, follow_redirects=True)
            assert (found.status_code, found.url.path) == (200, path)
    for path in ("/", "/repos/", "/repos/ceph/", "/matrix/ceph/main/", "/builds/", "/find/?q=main"):
        page = await one.get(path, headers=BROWSER)
        assert (page.status_code, "ceph" in page.text) == (200, True)
