"""Who is told of changes: a reader of streams, and a webhook on loopback that does what real ones do, and worse."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

LIMIT = 20
"""Seconds to wait for what must happen at all; only a fault waits as long."""


class Event(NamedTuple):
    """What a stream tells, and the id to come back with."""

    kind: str
    id: str
    data: dict[str, Any]


class Stream:
    """An event stream as a browser reads it; `id` is the last one, `silence` counts comments."""

    def __init__(self, answer: httpx.Response) -> None:
        """Read from the body of an answer."""
        self.answer = answer
        self.id = ""
        self._lines = answer.aiter_lines()

    async def next(self) -> Event:
        """Return the next event; what has no data is none."""
        while True:
            block = await self.block()
            self.id = block.get("id", self.id)
            if "data" in block:
                return Event(block["event"], self.id, json.loads(block["data"]))

    async def block(self) -> dict[str, str]:
        """Return the fields up to the next empty line; a comment has the empty name."""
        block: dict[str, str] = {}
        async with asyncio.timeout(LIMIT):
            async for line in self._lines:
                if not line:
                    return block
                name, _, value = line.partition(":")
                block[name] = value.removeprefix(" ")
        raise EOFError


@asynccontextmanager
async def listening(http: httpx.AsyncClient, path: str = "/events", **headers: str) -> AsyncIterator[Stream]:
    """Open a stream, and read what it begins with."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.stream("GET", path, headers=named, timeout=LIMIT) as answer:
        assert answer.status_code == 200, await answer.aread()
        stream = Stream(answer)
        block = await stream.block()
        assert "retry" in block
        stream.id = block.get("id", named.get("Last-Event-ID", ""))
        yield stream


class Delivery(NamedTuple):
    """What a webhook was sent."""

    headers: dict[str, str]
    body: bytes

    @property
    def sha1(self) -> str:
        """The sha1 that it tells of."""
        return str(json.loads(self.body)["sha1"])


Does = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(status: str, *lines: str) -> Does:
    """Return what answers with a status and headers."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([f"HTTP/1.1 {status}", *lines, "Content-Length: 0", "", ""]).encode())

    return answer


async def hang(_: asyncio.StreamWriter) -> None:
    """Say nothing, until the receiver ends."""
    await asyncio.Event().wait()


async def hang_up(_: asyncio.StreamWriter) -> None:
    """Say nothing, and hang up."""


fine = says("204 No Content")


class Receiver:
    """A webhook that does with each delivery what `next_does` says, and `does` when that is empty."""

    def __init__(self) -> None:
        """Take everything."""
        self.does: Does = fine
        self.next_does: list[Does] = []
        self.deliveries: list[Delivery] = []
        self.taken: list[Delivery] = []
        self.url = ""
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def sha1s(self) -> list[str]:
        """What it has taken, by sha1."""
        return [delivery.sha1 for delivery in self.taken]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = [line.partition(": ") for line in head.splitlines()[1:] if line]
            headers = {name.lower(): value for name, _, value in lines}
            delivery = Delivery(headers, await reader.readexactly(int(headers["content-length"])))
            self.deliveries.append(delivery)
            does = self.next_does.pop(0) if self.next_does else self.does
            await does(writer)
            await writer.drain()
            if does is fine:
                self.taken.append(delivery)
        finally:
            writer.transport.abort()

    def stop(self) -> None:
        """Cut off who is connected."""
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a webhook in this loop."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.answer, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?token=marked"
    try:
        yield receiver
    finally:
        server.close()
        receiver.stop()
        await asyncio.sleep(0)
