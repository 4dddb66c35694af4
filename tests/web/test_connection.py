"""How requests come to the framework and answers leave it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import pytest
from quart import Quart, Response, request

from shaman.store import Store
from shaman.web.connection import Connection
from tests.conftest import basic, served

SCOPE = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "query_string": b"", "http_version": "1.1"}
BODY = {"type": "http.request", "body": b"body", "more_body": False}
GONE = {"type": "http.disconnect"}
ENOUGH = 5
WITH_BODY = ((b"content-length", b"4"),)


class Client:
    """Sends a request, keeps what it is told, and after some messages goes, or waits for more."""

    def __init__(self, headers: Sequence[tuple[bytes, bytes]] = (), *, stays: bool = False) -> None:
        """Send the body `body` if the headers tell of one."""
        self.scope = SCOPE | {"headers": list(headers)}
        self.told: list[dict[str, Any]] = []
        self._left = [BODY] if headers else []
        self._stays = stays
        self.told_enough = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        """Be the server's receive."""
        if self._left:
            return self._left.pop()
        await (asyncio.Event() if self._stays else self.told_enough).wait()
        return GONE

    async def send(self, message: dict[str, Any]) -> None:
        """Be the server's send."""
        self.told.append(message)
        if len(self.told) == ENOUGH:
            self.told_enough.set()


def _app(ended: asyncio.Event) -> Callable[[Any, Any, Any], Coroutine[Any, Any, None]]:
    app = Quart("test", static_folder=None)
    app.asgi_http_class = Connection

    @app.get("/")
    async def stream() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"part"
                    await asyncio.sleep(0)
            finally:
                ended.set()

        response = Response(parts())
        response.timeout = None
        return response

    @app.post("/")
    async def whole() -> Response:
        return Response(await request.get_data())

    return app


@pytest.mark.parametrize("headers", [(), WITH_BODY])
async def test_a_stream_ends_when_its_client_goes(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Nothing is made for a client that has gone, whether its request had a body or not."""
    ended = asyncio.Event()
    client = Client(headers)
    async with asyncio.timeout(10):
        await _app(ended)(client.scope, client.receive, client.send)
        await ended.wait()
    assert client.told[0]["status"] == 200
    assert client.told[1]["body"] == b"part"


async def test_a_stream_ends_when_the_server_stops_it() -> None:
    """A server that cancels a request leaves nothing of it behind."""
    ended = asyncio.Event()
    client = Client(stays=True)
    answering = asyncio.create_task(_app(ended)(client.scope, client.receive, client.send))
    await client.told_enough.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    async with asyncio.timeout(10):
        await ended.wait()


@pytest.mark.parametrize(("headers", "body"), [((), b""), (WITH_BODY, b"body")])
async def test_a_whole_answer_is_one_message(headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
    """The body comes in one message behind the head of the answer."""
    client = Client(headers)
    client.scope["method"] = "POST"
    await _app(asyncio.Event())(client.scope, client.receive, client.send)
    start, end = client.told
    assert (start["status"], end["body"], end["more_body"]) == (200, body, False)


async def test_a_body_that_nobody_has_announced_is_read() -> None:
    """HTTP/2 needs no header for a body."""
    client = Client(WITH_BODY)
    client.scope |= {"method": "POST", "http_version": "2", "headers": []}
    await _app(asyncio.Event())(client.scope, client.receive, client.send)
    assert b"".join(message.get("body", b"") for message in client.told) == b"body"


async def test_a_body_that_does_not_come_is_408(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says what was not in time."""
    monkeypatch.setattr("shaman.app.BODY_WAIT", 0.05)
    login = f"Authorization: {basic('builder', 'secret')['Authorization']}"
    head = f"POST /repos/ceph/ HTTP/1.1\r\nHost: shaman\r\nConnection: close\r\n{login}\r\nContent-Length: 9\r\n\r\n"
    async with served(store) as url, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(head.encode() + b"{")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"detail":"the body did not come to its end in time"' in answer
