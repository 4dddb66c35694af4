"""A server that answers as it is told, request by request, and keeps what was asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.storage_node import Does


@dataclass
class Request:
    """The first line, the headers by their names in lower case, and the body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """Where the server is, and what it was asked."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)


def says(status: str, body: str = "", kind: str = "application/json", **headers: str) -> Does:
    """Return what answers with this status, body and headers; `_` in the name of a header is `-`."""
    named = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    content = body.encode()
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(content)}", "Connection: close"]
    return sends("\r\n".join([*head, *named, "", ""]).encode() + content)


def sends(*parts: bytes) -> Does:
    """Return what answers with these bytes, each in a packet of its own, and hangs up."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)

    return answer


def streams(*parts: str) -> Does:
    """Return what answers with events, and hangs up."""
    return sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", *(part.encode() for part in parts))


hangs_up = sends()
away = says("503 Service Unavailable", '{"detail": "the store is away"}', "application/problem+json")


@contextlib.asynccontextmanager
async def scripted(*answers: Does) -> AsyncIterator[Scripted]:
    """Serve these answers one after the other, and the last one to whoever still asks; each is sent to its end."""
    asked, serving = Scripted(), set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            asked.requests.append(_request(head, b""))
            length = int(asked.requests[-1].headers.get("content-length", "0"))
            asked.requests[-1].body = await reader.readexactly(length)
            await _of(answers, len(asked.requests))(writer)
            await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    asked.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield asked
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*filter(None, serving))


def _of(answers: Sequence[Does], number: int) -> Does:
    return answers[min(number, len(answers)) - 1]


def _request(head: str, body: bytes) -> Request:
    line, *headers = head.rstrip("\r\n").split("\r\n")
    pairs = (header.split(": ", 1) for header in headers)
    return Request(line, {name.lower(): value for name, value in pairs}, body)
