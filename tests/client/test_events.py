"""Events over lost connections, with nothing lost in between that nobody is told of."""

import json
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from shaman.client import Client, Event, Invalid, Unavailable
from shaman.client.records import RESET
from tests.backends import free_port
from tests.client.scripted import Scripted, away, hangs_up, says, scripted, streams
from tests.storage_node import Does

REPO = {
    "kind": "repo",
    "event": "updated",
    "id": 7,
    "project": "ceph",
    "ref": "main",
    "sha1": "a0",
    "distro": "ubuntu",
    "distro_version": "noble",
    "distro_codename": "noble",
    "flavor": "default",
    "archs": ["x86_64", "arm64"],
    "status": "ready",
    "old_status": "building",
    "modified": "2026-11-24T07:54:44.023555Z",
    "old_ref": None,
    "old_sha1": None,
    "of a newer server": [1],
}
NODE = {"kind": "node", "event": "updated", "host": "1.chacra.example.org", "healthy": False}


def event(cursor: str, **changes: object) -> str:
    """Return an event as a server sends it."""
    data = REPO | changes
    return f"event: {data['kind']}\nid: {cursor}\ndata: {json.dumps(data)}\n\n"


async def told(number: int, *answers: Does, after: str = "") -> tuple[list[Event], Scripted]:
    """Return the first events of a server with these answers, and the server."""
    events: list[Event] = []
    async with (
        scripted(*answers) as server,
        Client(server.url, patience=5) as client,
        aclosing(client.events(project="ceph", kind="repo", after=after)) as heard,
    ):
        while len(events) < number:
            events.append(await anext(heard))
    return events, server


async def test_an_event_has_types() -> None:
    """Everything that a server tells, in whichever pieces it arrives; what is not known is left out."""
    text = ":\n\n" + event("c1") + f"event: node\nid: c2\ndata: {json.dumps(NODE)}\n\n"
    (repo, node), server = await told(2, streams(*(text[at : at + 40] for at in range(0, len(text), 40))))
    assert (repo.kind, repo.event, repo.id, repo.project, repo.archs) == (
        "repo",
        "updated",
        7,
        "ceph",
        ("x86_64", "arm64"),
    )
    assert (repo.old_status, repo.status, repo.cursor) == ("building", "ready", "c1")
    assert repo.modified == datetime(2026, 11, 24, 7, 54, 44, 23555, UTC)
    assert (node.kind, node.host, node.healthy, node.status) == ("node", "1.chacra.example.org", False, None)
    assert server.requests[0].line == "GET /events?project=ceph&kind=repo HTTP/1.1"
    assert "last-event-id" not in server.requests[0].headers


async def test_a_lost_connection_goes_on_where_it_was() -> None:
    """Each event comes once, also the one that was cut in two."""
    whole = event("c2", sha1="b1")
    answers = (streams(event("c1"), whole[:60]), away, hangs_up, streams(whole), streams(event("c3", sha1="c2")))
    events, server = await told(3, *answers)
    assert [event.sha1 for event in events] == ["a0", "b1", "c2"]
    assert [request.headers.get("last-event-id") for request in server.requests] == [None, "c1", "c1", "c1", "c2"]


async def test_an_id_without_an_event_is_a_place_to_go_on() -> None:
    """A server that says at the beginning where it is leaves no gap before the first event."""
    events, server = await told(1, streams("retry: 10\n:\nid: c0\n\n", ":\n\n"), streams(event("c1")))
    assert [event.kind for event in events] == ["repo"]
    assert [request.headers.get("last-event-id") for request in server.requests] == [None, "c0"]


async def test_a_gap_is_told() -> None:
    """By the server if the place is too old, and by the client if it knew none when the connection was lost."""
    events, _ = await told(2, streams('event: reset\nid: c9\ndata: {"why": "too old"}\n\n', event("c10")), after="c1")
    assert [(event.kind, event.cursor) for event in events] == [(RESET, "c9"), ("repo", "c10")]
    events, _ = await told(2, streams(":\n\n"), streams(event("c1")))
    assert [event.kind for event in events] == [RESET, "repo"]


async def test_a_cursor_is_a_place_to_begin() -> None:
    """What came after it is told."""
    _, server = await told(1, streams(event("c6")), after="c5")
    assert server.requests[0].headers["last-event-id"] == "c5"


async def listen(url: str) -> Event:
    """Return the first event."""
    async with Client(url, patience=0.2) as client, aclosing(client.events()) as events:
        return await anext(events)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (says("400 Bad Request", '{"detail": "kind: must be one of repo"}'), Invalid, "^kind: must be"),
        (away, Unavailable, "the store is away"),
        (says("200 OK", "[]"), Unavailable, "tells no events"),
        (streams("data: {}\n\n"), Unavailable, "an event that is none"),
        (streams("data: [\n\n"), Unavailable, "an event that is none"),
    ],
)
async def test_who_tells_no_events_is_an_error(answer: Does, error: type[Exception], words: str) -> None:
    """What is refused at once, what is away after a while."""
    async with scripted(answer) as server:
        with pytest.raises(error, match=words):
            await listen(server.url)


async def test_a_server_that_is_not_there_is_an_error() -> None:
    """It was never connected to."""
    with pytest.raises(Unavailable):
        await listen(f"http://127.0.0.1:{free_port()}")
