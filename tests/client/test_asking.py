"""Requests to a server that is away, slow, broken or none at all."""

import asyncio
import json

import pytest
import trustme

from shaman.client import Client, Invalid, NotFound, NotReady, PostedRepo, TooManyTries, Unauthorized, Unavailable
from shaman.client.asking import Pauses
from tests.backends import free_port
from tests.client.scripted import away, hangs_up, says, scripted, sends
from tests.client.test_client import REPO
from tests.storage_node import Does, StorageNode, broken_certificate

TOLD: dict[str, object] = {
    "arch": "x86_64",
    "project": "ceph",
    "ref": "main",
    "sha1": "a0",
    "distro": "centos",
    "distro_version": "9",
    "distro_codename": None,
    "flavor": "default",
    "url": "https://chacra.example.org/r/",
    "chacra_url": "",
    "status": "ready",
    "modified": "2026-11-24T07:54:44.023555Z",
    "extra": {},
    "key of a newer server": 1,
}
EMPTY = says("200 OK", "[]")
FOUND = says("200 OK", json.dumps([TOLD]))
POSTED = says("201 Created", json.dumps(TOLD))
HTML = says("502 Bad Gateway", "<html>", "text/html")
TORN = sends(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n[")


@pytest.mark.parametrize("trouble", [away, hangs_up, HTML, TORN, says("504 Gateway Timeout", "", "text/html")])
async def test_a_server_that_comes_back_answers(trouble: Does) -> None:
    """Lookups and posts are sent again as they were, and who wants to know hears why."""
    heard: list[Unavailable] = []
    async with (
        scripted(trouble, FOUND, trouble, POSTED) as server,
        Client(server.url, user="builder", key="secret", on_retry=heard.append) as client,
    ):
        assert [repo.sha1 for repo in await client.search("ceph", "main")] == ["a0"]
        assert await client.post_repo("ceph", REPO)
    assert len(heard) == 2
    assert all(server.url in str(error) for error in heard)
    first, second, third, fourth = server.requests
    assert first == second
    assert third == fourth
    assert "secret" not in str(heard)


async def test_only_what_writes_has_credentials() -> None:
    """A lookup without them is answered from memory, by any server and by what is in between."""
    async with scripted(FOUND, POSTED) as server, Client(server.url, user="builder", key="secret") as client:
        await client.search("ceph", "main")
        await client.post_repo("ceph", REPO)
    assert ["authorization" in request.headers for request in server.requests] == [False, True]


async def test_a_server_that_stays_away_is_an_error() -> None:
    """It names the URL and what was said last, if anything was."""
    async with scripted(away) as server, Client(server.url, patience=0.2) as client:
        with pytest.raises(Unavailable, match=f"{server.url}/nodes/: the store is away"):
            await client.nodes()
    assert len(server.requests) > 1
    url = f"http://127.0.0.1:{free_port()}"
    async with Client(url, patience=0) as client:
        with pytest.raises(Unavailable, match=f"{url}/nodes/: "):
            await client.nodes()


async def test_a_server_says_when_it_may_be_asked_again() -> None:
    """If there is no time for that, it is not asked again."""
    later = says("503 Service Unavailable", '{"detail": "later"}', Retry_After="30")
    async with scripted(later, EMPTY) as server, Client(server.url, patience=5) as client:
        with pytest.raises(Unavailable, match="later"):
            await client.nodes()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (says("400 Bad Request", '{"detail": "arch: is given twice"}'), Invalid, "^arch: is given twice$"),
        (says("401 Unauthorized", '{"detail": "who?"}'), Unauthorized, "^who\\?$"),
        (says("403 Forbidden", "no", "text/plain"), Unauthorized, "^403 Forbidden$"),
        (says("404 Not Found", '{"detail": "no such path"}'), Unavailable, "/nodes/: no such path$"),
        (says("404 Not Found", "<html>", "text/html"), Unavailable, "/nodes/: 404 Not Found$"),
        (says("429 Too Many Requests", '{"detail": "slowly"}', Retry_After="9"), TooManyTries, "^slowly$"),
        (says("500 Internal Server Error", '{"detail": "a fault"}'), Unavailable, "/nodes/: a fault$"),
        (says("504 Gateway Timeout", '{"description": "nothing is ready"}'), NotReady, "^nothing is ready$"),
        (says("301 Moved", Location="https://shaman.example.org/"), Unavailable, "leads to https://shaman.example"),
        (says("200 OK", "<html>", "text/html"), Unavailable, "/nodes/: is no registry"),
        (says("200 OK", '{"url": 1}'), Unavailable, "/nodes/: is no registry"),
    ],
)
async def test_what_is_refused_is_not_sent_again(answer: Does, error: type[Exception], words: str) -> None:
    """Each answer is one error, in the words of the server where it has any."""
    async with scripted(answer) as server, Client(server.url) as client:
        with pytest.raises(error, match=words):
            await client.nodes()
    assert len(server.requests) == 1


async def test_only_a_file_can_be_not_there() -> None:
    """A question that nothing matches has an empty answer; who is told that the path is wrong asks another server."""
    for answer in ('{"detail": "there is no such path"}', '{"description": "no such project: ceph"}'):
        async with scripted(says("404 Not Found", answer)) as server, Client(f"{server.url}/old") as client:
            for asked in (client.latest("ceph", "main"), client.search("ceph", "main"), client.wait("ceph", "main", 9)):
                with pytest.raises(Unavailable, match="/old/search/ceph/main/: "):
                    await asked
            with pytest.raises(NotFound, match="no such"):
                await client.repo_file_url("ceph", "main", "latest", "ubuntu", "noble")


async def test_a_redirected_post_is_not_taken_for_done() -> None:
    """A redirection turns a POST into a GET for some clients; here it says where to send it."""
    moved = says("302 Found", Location="https://other.example.org/")
    async with scripted(moved) as server, Client(server.url, user="builder", key="secret") as client:
        with pytest.raises(Unavailable, match=r"leads to https://other\.example\.org/"):
            await client.post_repo("ceph", PostedRepo(ref="main"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["self-signed", "other name", "expired"])
async def test_who_cannot_be_trusted_is_not_waited_for(trusted: trustme.CA, fault: str) -> None:
    """A certificate becomes no better by being looked at again."""
    with StorageNode(broken_certificate(fault, trusted)) as server:
        async with Client(f"https://{server.host}", patience=3600) as client:
            for asked in (client.nodes(), client.wait("ceph", "main", 3600), anext(client.events())):
                with pytest.raises(Unavailable, match=r"/: .*certificate verify failed|/events: .*verify failed"):
                    await asyncio.wait_for(asked, 20)


def test_who_waits_comes_back_within_a_second_however_long_the_server_was_away() -> None:
    """What was posted as soon as it was back is told then, too; only a server that asks for more has more."""
    pauses = Pauses()
    assert all(pauses.next(after) < 1 for after in (None, 1) * 50)
    assert 8 < pauses.next(9) < 9


async def test_a_wait_outlasts_every_trouble() -> None:
    """Empty rounds, failovers, lost connections and routers that give up are no answer."""
    troubles = (EMPTY, away, hangs_up, HTML, TORN)
    async with scripted(*troubles, FOUND) as server, Client(server.url, patience=0) as client:
        assert await client.wait("ceph", "main", 60, distros=["centos/9"], arch="x86_64") == "a0"
    lines = [request.line for request in server.requests]
    assert len(lines) == 6
    assert all("distros=centos%2F9&arch=x86_64&common_sha1=true&wait=25.000" in line for line in lines)


async def test_a_server_that_does_not_wait_is_not_asked_all_the_time() -> None:
    """One that is about to stop, or knows no `wait`, is asked once a second."""
    async with scripted(EMPTY) as server, Client(server.url) as client:
        assert await client.wait("ceph", "main", 1.5) is None
    assert 2 <= len(server.requests) <= 4


async def test_a_wait_for_a_server_that_stays_away_is_an_error() -> None:
    """Nobody knows whether there was something; what is refused ends it at once."""
    async with scripted(away) as server, Client(server.url) as client:
        with pytest.raises(Unavailable, match="the store is away"):
            await client.wait("ceph", "main", 0.5)
    async with scripted(says("400 Bad Request", '{"detail": "no"}')) as server, Client(server.url) as client:
        with pytest.raises(Invalid):
            await client.wait("ceph", "main", 3600)
