"""The client against a real service: what it asks, and what it makes of the answers."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from shaman.client import Client, Invalid, NotReady, PostedBuild, PostedRepo, Unauthorized
from tests.client.scripted import says, scripted
from tests.conftest import CONFIG

REPO = PostedRepo(
    ref="main",
    sha1="a0",
    distro="ubuntu",
    distro_version="22.04",
    arch="x86_64",
    url="https://chacra.ceph.com/r/ceph/main/",
    extra={"version": "19.2.0"},
)
CENTOS = replace(REPO, distro="centos", distro_version="9")
BOTH = ("centos/9", "ubuntu/jammy")


async def test_what_is_posted_is_found(client: Client) -> None:
    """A repo comes back with everything that the native dialect tells, and with a time that is one."""
    before = datetime.now(UTC)
    posted = await client.post_repo("ceph", REPO)
    assert posted
    assert (posted.distro_version, posted.distro_codename, posted.status) == ("jammy", "jammy", "ready")
    assert posted.extra == {"version": "19.2.0"}
    assert abs((posted.modified - before).total_seconds()) < 60
    assert await client.search("ceph", "main") == [posted]
    assert await client.search("ceph", "a0", distros=["ubuntu"], arch="amd64", flavor="default", status="any") == [
        posted
    ]


@pytest.mark.parametrize(
    "filters", [{"distros": ["centos/9"]}, {"arch": "arm64"}, {"flavor": "crimson"}, {"status": "failed"}]
)
async def test_every_filter_filters(client: Client, filters: Any) -> None:
    """What does not match is not told, and that is an empty list."""
    await client.post_repo("ceph", REPO)
    assert await client.search("ceph", "main", **filters) == []
    assert await client.latest("ceph", "main", **filters) is None


async def test_latest_is_the_newest_with_all(client: Client) -> None:
    """A sha1 that lacks one of the distros is passed over."""
    for repo in (REPO, CENTOS, replace(REPO, sha1="b1"), replace(CENTOS, sha1="b1"), replace(REPO, sha1="c2")):
        await client.post_repo("ceph", repo)
    assert await client.latest("ceph", "main", distros=BOTH, arch="x86_64") == "b1"
    assert await client.latest("ceph", "main") == "c2"
    assert await client.latest("ceph", "a0", distros=BOTH) == "a0"
    assert await client.latest("ceph", "c2", distros=BOTH) is None


async def test_a_wait_ends_with_the_last_repo_it_needs(client: Client) -> None:
    """It goes on while only one of the distros is there."""
    waiting = asyncio.create_task(client.wait("ceph", "main", 60, distros=BOTH))
    await client.post_repo("ceph", REPO)
    await client.search("ceph", "main")
    assert not waiting.done()
    await client.post_repo("ceph", CENTOS)
    async with asyncio.timeout(30):
        assert await waiting == "a0"


async def test_many_waits_share_a_client(client: Client) -> None:
    """More than the connections that one usually has; one POST ends them all."""
    waits = [asyncio.create_task(client.wait("ceph", "main", 60)) for _ in range(150)]
    await client.search("ceph", "main")
    await client.post_repo("ceph", REPO)
    async with asyncio.timeout(30):
        assert set(await asyncio.gather(*waits)) == {"a0"}


async def test_a_wait_for_what_is_there_does_not_wait(client: Client) -> None:
    """Also where there is no time."""
    await client.post_repo("ceph", REPO)
    assert await client.wait("ceph", "main", 3600) == "a0"
    assert await client.wait("ceph", "a0", 0) == "a0"


async def test_a_wait_ends_with_the_time(client: Client) -> None:
    """Nothing is the answer then, not an error."""
    assert await client.wait("ceph", "main", 0.2) is None
    assert await client.wait("ceph", "main", 0) is None


async def test_the_same_post_twice_is_one_repo(client: Client) -> None:
    """So a client may send again what it does not know to have arrived."""
    first, second = [await client.post_repo("ceph", REPO) for _ in range(2)]
    assert first == second
    assert await client.search("ceph", "main") == [first]


async def test_a_removed_repo_is_none(client: Client) -> None:
    """The first time, and when it is said again."""
    named = replace(REPO, chacra_url="https://chacra.ceph.com/repos/ceph/main/")
    await client.post_repo("ceph", named)
    for _ in range(2):
        assert await client.post_repo("ceph", replace(named, status="deleted")) is None
    assert await client.search("ceph", "main", status="any") == []


async def test_builds_are_posted(client: Client) -> None:
    """The registry tells them like any other."""
    build = PostedBuild(url="https://ci.example.org/1/", ref="main", sha1="a0", status="started")
    await client.post_build("ceph", build)
    async with httpx.AsyncClient(base_url=client.url) as http:
        assert [told["url"] for told in (await http.get("/api/builds/ceph/main/a0/")).json()] == [build.url]


async def test_events_tell_what_is_posted(client: Client) -> None:
    """Each with its types, and only what is asked for."""
    told = []
    async with aclosing(client.events(project="ceph", ref="main")) as events, asyncio.timeout(30):
        first = asyncio.create_task(anext(events))
        while not first.done():  # what is posted before the stream is there is not told
            for status in ("building", "ready"):
                await client.post_repo("ceph", replace(REPO, status=status))
            await asyncio.wait({first}, timeout=0.5)
        await client.post_repo("ceph", replace(REPO, ref="other", sha1="b1"))
        build = PostedBuild(url="https://ci.example.org/1/", ref="main", sha1="a0", status="queued")
        await client.post_build("ceph", build)
        told.append(await first)
        while told[-1].kind != "build":
            told.append(await anext(events))
    assert {event.ref for event in told} == {"main"}
    repo = told[0]
    assert (repo.kind, repo.sha1, repo.archs, repo.distro_codename) == ("repo", "a0", ("x86_64",), "jammy")
    assert told[-1].status == "queued"
    assert all(event.cursor and event.modified for event in told)
    assert len({event.cursor for event in told}) == len(told)


async def test_nodes_take_turns(client: Client) -> None:
    """As many calls as there are nodes name each once."""
    nodes = await client.nodes()
    assert nodes == list(CONFIG.chacra_nodes)
    assert {await client.next_node() for _ in nodes} == set(nodes)


async def test_a_repo_file_comes_from_its_node(client: Client) -> None:
    """The registry says where it is, the node what is in it; the node gets no credentials, and may redirect."""
    moved, text = says("302 Found", Location="/elsewhere"), says("200 OK", "[ceph]\nname=ceph\n", "text/plain")
    async with scripted(moved, text) as node:
        await client.post_repo("ceph", replace(REPO, chacra_url=f"{node.url}/repos/ceph"))
        url = await client.repo_file_url("ceph", "main", "latest", "ubuntu", "jammy", arch="amd64")
        assert url == f"{node.url}/repos/ceph/repo"
        assert (
            await client.repo_file("ceph", "main", "a0", "ubuntu", "22.04", flavor="default") == "[ceph]\nname=ceph\n"
        )
    assert [request.line for request in node.requests] == ["GET /repos/ceph/repo HTTP/1.1", "GET /elsewhere HTTP/1.1"]
    assert not any("authorization" in request.headers for request in node.requests)


async def test_a_repo_file_of_nothing_is_not_ready(client: Client) -> None:
    """The words are those of the registry."""
    await client.post_repo("ceph", replace(REPO, status="building"))
    with pytest.raises(NotReady, match="no repository is ready for: ceph/main"):
        await client.repo_file_url("ceph", "main", "latest", "ubuntu", "jammy")


async def test_any_name_is_one_part_of_a_path(client: Client) -> None:
    """Slashes, dots, quotes and marks of URLs lead nowhere else."""
    for ref in ("wip/a b", "..", "100%", "a?b#c", "%2F", "ü"):
        await client.post_repo("ceph", replace(REPO, ref=ref))
        assert [repo.ref for repo in await client.search("ceph", ref)] == [ref]


async def test_what_is_refused_is_said(client: Client) -> None:
    """Each kind is an error of its own, with the words of the server and without the key."""
    with pytest.raises(Invalid, match="distro: is missing"):
        await client.post_repo("ceph", replace(REPO, distro=UNSET))
    with pytest.raises(Invalid, match="distros: 'a/b/c/d' is not"):
        await client.search("ceph", "main", distros=["a/b/c/d"])
    with pytest.raises(Invalid, match="must not be empty"):
        await client.search("ceph", "")
    async with Client(client.url, user="builder", key="hunter2") as other:
        with pytest.raises(Unauthorized, match="the user or the key is wrong") as refused:
            await other.post_repo("ceph", REPO)
    async with Client(client.url) as nobody:
        with pytest.raises(Unauthorized, match="needs HTTP Basic credentials"):
            await nobody.post_repo("ceph", REPO)
    assert "hunter2" not in f"{other!r} {vars(other)} {refused.value!r}"
