"""`/events`: what comes is told as it comes, and whoever comes back is told what it missed."""

import asyncio
import json
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from shaman.store import Store, feed
from shaman.store.connection import connect
from shaman.store.told import Told, Wanted
from tests.conftest import CONFIG, RELEASES, served
from tests.receiver import LIMIT, Stream, listening
from tests.test_serve import LOGIN, REPO, Service, until
from tests.web.workers import Worker, cut_all, working

BUILD = {"ref": "main", "sha1": "a0", "url": "https://jenkins.example.org/1/", "status": "started"}


@pytest.fixture
def project() -> str:
    """Return a project of the test's own: a real service remembers where the streams were that a test empties."""
    return f"p{secrets.token_hex(4)}"


async def post(http: httpx.AsyncClient, project: str, **changes: Any) -> None:
    """Post a repo that must be taken."""
    body = REPO | changes
    body |= {"chacra_url": f"https://chacra.ceph.com/{project}/{body['ref']}/{body['sha1']}/"}
    answer = await http.post(f"/repos/{project}/", json=body)
    assert answer.status_code in {200, 201}, answer.text


async def test_a_change_is_told(http: httpx.AsyncClient, project: str) -> None:
    """What it is now and what it was before, as one JSON object, with its kind and an id."""
    async with listening(http) as stream:
        assert stream.answer.headers["content-type"] == "text/event-stream"
        assert stream.answer.headers["cache-control"] == "no-cache"
        assert stream.answer.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in stream.answer.headers
        await post(http, project, status="building")
        await post(http, project, status="ready", distro_version="22.04")
        first, second = await stream.next(), await stream.next()
    assert (first.kind, second.kind) == ("repo", "repo")
    assert first.id != second.id
    modified = second.data.pop("modified")
    assert modified.endswith("Z")
    assert second.data == {
        "kind": "repo",
        "event": "updated",
        "id": 1,
        "project": project,
        "ref": "main",
        "sha1": "a0",
        "distro": "ubuntu",
        "distro_version": "jammy",
        "distro_codename": "jammy",
        "flavor": "default",
        "archs": ["x86_64"],
        "status": "ready",
        "old_status": "building",
        "old_ref": None,
        "old_sha1": None,
    }


async def test_builds_and_deletions_are_told(http: httpx.AsyncClient, project: str) -> None:
    """A build has null for what was never told of it; a deletion tells what was."""
    async with listening(http) as stream:
        assert (await http.post(f"/api/builds/{project}/", json=BUILD)).status_code == 200
        await post(http, project)
        gone = {"chacra_url": f"https://chacra.ceph.com/{project}/main/a0/", "status": "deleted"}
        assert (await http.post(f"/api/repos/{project}/", json=gone)).status_code == 200
        build, created, deleted = [await stream.next() for _ in range(3)]
    assert (build.kind, build.data["distro"], build.data["archs"], build.data["status"]) == (
        "build",
        None,
        [],
        "started",
    )
    assert (created.data["event"], deleted.data["event"]) == ("created", "deleted")
    assert (deleted.data["status"], deleted.data["old_status"]) == ("deleted", "ready")


async def test_nodes_are_told(http: httpx.AsyncClient) -> None:
    """A node that comes into the pool, and that it is down."""
    async with listening(http, "/events?kind=node") as stream:
        assert (await http.post("/api/nodes/127.0.0.1:1/")).status_code == 200
        told = await stream.next()
    assert (told.kind, told.data["host"], told.data["healthy"]) == ("node", "127.0.0.1:1", False)


async def test_a_project_that_is_not_there_yet_is_listened_to_beside_all(http: httpx.AsyncClient, project: str) -> None:
    """Its first record is told, also to who comes back."""
    async with listening(http), listening(http, f"/events?project={project}") as stream:
        begin = stream.id
        await post(http, project)
        first = await stream.next()
        async with listening(http, f"/events?project={project}", Last_Event_ID=begin) as again:
            assert (await again.next()).data == first.data
    assert first.data["project"] == project


@pytest.mark.parametrize("given", ["Last-Event-ID", "last_event_id"])
async def test_whoever_comes_back_is_told_what_was_missed(http: httpx.AsyncClient, project: str, given: str) -> None:
    """From the id on, once each; also from the id that comes before any event."""
    async with listening(http) as stream:
        begin = stream.id
        await post(http, project, sha1="a0")
        seen = (await stream.next()).id
    await post(http, project, sha1="b1")
    for number, expected in ((begin, ["a0", "b1"]), (seen, ["b1"])):
        path, headers = ("/events", {given: number})
        if given == "last_event_id":
            path, headers = f"/events?last_event_id={number}", {}
        async with listening(http, path, **headers) as stream:
            assert [(await stream.next()).data["sha1"] for _ in expected] == expected


@pytest.mark.parametrize("number", ["0", "nonsense", "1.00000000.0-0.0000000000000000", "1.ffffffff.1-1.00"])
async def test_an_id_that_is_none_is_answered_by_a_reset(http: httpx.AsyncClient, project: str, number: str) -> None:
    """One event says why and what to do, with the id to go on from; then comes what comes."""
    await post(http, project, sha1="a0")
    async with listening(http, Last_Event_ID=number) as stream:
        reset = await stream.next()
        assert reset.kind == "reset"
        assert set(reset.data) == {"why", "advice"}
        await post(http, project, sha1="b1")
        assert (await stream.next()).data["sha1"] == "b1"
    async with listening(http, Last_Event_ID=reset.id) as stream:
        assert (await stream.next()).data["sha1"] == "b1"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("project=a&project=b", "project"),
        ("ref=%20", "ref"),
        ("sha1=latest", "sha1"),
        ("sha1=a/b", "sha1"),
        ("kind=repos", "kind"),
        ("kind=node&project=ceph", "kind"),
        ("wait=5", "wait"),
        ("status=ready", "status"),
    ],
)
async def test_what_is_no_filter_is_refused(http: httpx.AsyncClient, query: str, name: str) -> None:
    """The problem names the parameter."""
    answer = await http.get(f"/events?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(f"{name}: ")


async def test_an_empty_filter_is_none(http: httpx.AsyncClient, project: str) -> None:
    """As in a search of the production dialect: forms send what nobody filled in."""
    async with listening(http, f"/events?project={project}&ref=&sha1=&kind=") as stream:
        await post(http, project)
        assert (await stream.next()).data["project"] == project


async def test_a_head_has_the_headers_alone(http: httpx.AsyncClient) -> None:
    """And ends at once."""
    answer = await http.head("/events?project=ceph")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")


@pytest.fixture
async def worker(empty_url: str) -> AsyncIterator[Worker]:
    """Return a worker on an empty store."""
    async with working(connect(empty_url, 16)) as worker:
        yield worker
        await worker.store.feed.close()
        await worker.store.ping()


async def test_silence_is_broken_by_comments(empty_url: str, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the id of now, so that who follows what is quiet does not come back with an old one."""
    monkeypatch.setattr(feed, "SILENCE", 0.05)
    store = Store(connect(empty_url, 16), CONFIG, RELEASES)
    async with served(store) as url, httpx.AsyncClient(base_url=url, auth=("builder", "secret")) as http:
        async with listening(http, f"/events?project={project}&ref=quiet") as stream:
            began = stream.id
            await post(http, project, sha1="b1")
            blocks = [await stream.block() for _ in range(10)]
        store.feed.stop()
    assert not any("data" in block for block in blocks)
    assert blocks[-1]["id"] != began


async def test_a_client_that_goes_leaves_nothing_behind(empty_url: str) -> None:
    """However it goes."""
    store = Store(connect(empty_url, 16), CONFIG, RELEASES)
    async with served(store) as url:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
            for _ in range(20):
                await stack.enter_async_context(listening(http))
            assert sum(map(len, store.feed._listeners.values())) == 20  # noqa: SLF001 - nothing else tells
        async with asyncio.timeout(LIMIT):
            while store.feed._listeners:  # noqa: ASYNC110, SLF001
                await asyncio.sleep(0.005)


async def streams_of(stack: AsyncExitStack, url: str, count: int) -> list[Stream]:
    """Open so many streams, each on a connection of its own."""
    opened = []
    for _ in range(count):
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, auth=("builder", "secret")))
        opened.append(await stack.enter_async_context(listening(http)))
    return opened


@pytest.mark.parametrize("engine", ["hypercorn", "granian"])
async def test_every_listener_of_every_worker_is_told_and_let_go(tmp_path: Path, engine: str) -> None:
    """A POST to one process reaches the listeners of both; at a stop each stream ends as a whole one, at once."""
    with Service(tmp_path, "--workers", "2", "--server", engine, **LOGIN) as service:
        async with AsyncExitStack() as stack:
            opened = await streams_of(stack, service.url, 12)
            for number in range(10):
                assert await asyncio.to_thread(service.post, f"a{number}") == 201
            for stream in opened:
                assert [(await stream.next()).data["sha1"] for _ in range(10)] == [f"a{n}" for n in range(10)]
            began = time.monotonic()
            service.process.terminate()
            for stream in opened:
                with pytest.raises(EOFError):
                    await stream.next()
            assert await asyncio.to_thread(service.process.wait, LIMIT) == 0
            assert time.monotonic() - began < 5
        assert "Traceback" not in service.said()


@pytest.mark.parametrize("engine", ["hypercorn", "granian"])
async def test_a_killed_store_is_waited_for(tmp_path: Path, engine: str) -> None:
    """Who listens hears what is written before and after, without a gap; who comes meanwhile is told to come again."""
    with Service(tmp_path, "--workers", "2", "--server", engine, **LOGIN) as service:
        async with AsyncExitStack() as stack:
            opened = await streams_of(stack, service.url, 6)
            assert service.post("a0") == 201
            os.kill(service.store(), signal.SIGKILL)
            await asyncio.to_thread(until, lambda: service.post("b1") in {200, 201})
            assert await asyncio.to_thread(service.post, "c2") == 201
            for stream in opened:
                assert [(await stream.next()).data["sha1"] for _ in range(3)] == ["a0", "b1", "c2"]
        assert service.stop() == 0


async def test_a_slow_reader_holds_up_nobody(tmp_path: Path) -> None:
    """It takes nothing for a long time, and then it has everything; the others have it at once."""
    with Service(tmp_path, **LOGIN) as service:
        async with AsyncExitStack() as stack:
            slow, quick = await streams_of(stack, service.url, 2)
            count = 600
            http = stack.enter_context(service.connection())

            def write() -> None:
                for number in range(count):
                    assert http.post("/repos/ceph/", json=REPO | {"sha1": f"a{number}"}).status_code == 201

            writing = asyncio.create_task(asyncio.to_thread(write))
            expected = [f"a{number}" for number in range(count)]
            assert [(await quick.next()).data["sha1"] for _ in range(count)] == expected
            assert [(await slow.next()).data["sha1"] for _ in range(count)] == expected
            await writing
        assert service.stop() == 0


async def test_the_other_version_of_http_streams_too(worker: Worker) -> None:
    """HTTP/2 has no header that names the connection; the client's going ends it all the same."""
    sent: list[dict[str, Any]] = []
    told = asyncio.Event()

    received = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in received:
            return message
        await told.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if b"data: " in message.get("body", b""):
            told.set()

    scope: dict[str, Any] = {"type": "http", "method": "GET", "scheme": "https", "path": "/events", "http_version": "2"}
    scope |= {"raw_path": b"/events", "query_string": b"", "headers": [(b"host", b"shaman")]}
    scope |= {"client": ("127.0.0.1", 1)}
    async with asyncio.timeout(LIMIT):
        serving = asyncio.create_task(worker.app.asgi_app(scope, receive, send))  # type: ignore[arg-type]
        while len(sent) < 2:  # noqa: ASYNC110 - the head, and what comes at once
            await asyncio.sleep(0.005)
        await worker.post()
        await serving
    assert b"connection" not in dict(sent[0]["headers"])
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert json.loads(body.split(b"data: ")[1].split(b"\n")[0])["sha1"] == "a0"
    assert not worker.store.feed._listeners  # noqa: SLF001 - nothing else tells


async def test_lost_wake_ups_lose_no_event(worker: Worker, server_url: str) -> None:
    """When they are heard again, everything is read."""
    async with working(connect(server_url, 16)) as other:
        cursor = await worker.store.feed.now(Wanted())
        items = worker.store.feed.listen(Wanted(), cursor)
        for number in range(5):
            told = asyncio.ensure_future(anext(items))
            await asyncio.sleep(0)
            await cut_all(server_url)
            await other.post(sha1=f"a{number}")
            async with asyncio.timeout(LIMIT):
                item = await told
            assert isinstance(item.told, Told)
            assert item.told.record.sha1 == f"a{number}"  # type: ignore[union-attr]
        await items.aclose()
