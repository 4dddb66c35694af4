"""A storage node on loopback that does to a health check what real ones do, and worse."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Self

import trustme

Does = Callable[[asyncio.StreamWriter], Awaitable[None]]

LIMIT = 20
"""Seconds to wait for what must happen at all; only a fault waits as long."""


def says(*lines: str) -> Does:
    """Return what answers each request with these lines, and an empty body."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())

    return answer


def repeats(start: bytes, more: bytes) -> Does:
    """Return what answers with `start`, then with `more` as long as the other side listens."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.transport.is_closing():
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0)  # drain alone lets nobody else run while the buffer has room

    return answer


async def hang(_: asyncio.StreamWriter) -> None:
    """Say nothing, until the node ends."""
    await asyncio.Event().wait()


healthy = says("HTTP/1.1 204 No Content")
failing = says("HTTP/1.1 500 Internal Server Error")
endless_body = repeats(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096)

SICK: dict[str, Does] = {
    "error": failing,
    "not found": says("HTTP/1.1 404 Not Found"),
    "redirect": says("HTTP/1.1 302 Found", "Location: /health/"),
    "garbage": repeats(b"", b"\0\xff garbage \r\n"),
    "endless header": repeats(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
    "endless headers": repeats(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n" * 100),
    "endless continue": repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "hang": hang,
    "hang up": lambda _: asyncio.sleep(0),
}
"""What is no good health, however the body goes on."""

CERTIFICATE_FAULTS = ["self-signed", "other name", "expired", "none"]


def broken_certificate(fault: str, ca: trustme.CA) -> trustme.LeafCert | None:
    """Return a certificate that nobody should believe; None is a node that talks without TLS."""
    if fault == "none":
        return None
    if fault == "self-signed":
        return trustme.CA().issue_cert("127.0.0.1")
    if fault == "other name":
        return ca.issue_cert("chacra.invalid")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return ca.issue_cert("127.0.0.1", not_after=yesterday)


class StorageNode:
    """A node in a thread of its own. `does` may change; `checks` counts connections, `paths` is what was asked."""

    def __init__(self, certificate: trustme.LeafCert | None, does: Does = healthy) -> None:
        """Prepare the node; without a certificate it talks plainly."""
        self.does = does
        self.checks = 0
        self.paths: list[str] = []
        self.host = ""
        self._tls = None
        if certificate:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            certificate.configure_cert(self._tls)
        self._listening = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        """Start, and know the host and port."""
        self._thread.start()
        assert self._listening.wait(LIMIT)
        return self

    def __exit__(self, *_: object) -> None:
        """Cut off who is connected, and end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._tls)
        self.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # a transport closes its socket in the next round of the loop

    def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._answer_one(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.checks += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                request = await reader.readuntil(b"\r\n\r\n")
                self.paths.append(request.split()[1].decode())
                await self.does(writer)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()
