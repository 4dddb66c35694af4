"""A proxy in front of two services, as a web server would be by its defaults: each in turn, a connection a request.

A service that refuses a connection is passed over for the other one; nothing else is tried again, so that a request
which a service has taken and does not answer is a failure that the client sees.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

CHUNK = 65536


class Balancer:
    """Connects each client with the next service that lets it in."""

    def __init__(self, ports: Sequence[int]) -> None:
        """Send to these ports of loopback."""
        self._ports = ports
        self._turns = cycle(range(len(ports)))
        self.refused = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass everything between a client and a service until one of them ends."""
        try:
            back, forth = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        asking = asyncio.create_task(_pass(reader, forth))
        try:
            if not await _pass(back, writer):  # the service closes behind its answer
                writer.transport.abort()
        finally:
            asking.cancel()
            await asyncio.wait({asking})
            forth.close()
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        first = next(self._turns)
        for port in (*self._ports[first:], *self._ports[:first]):
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                self.refused += 1
        raise ConnectionRefusedError


@asynccontextmanager
async def balancing(ports: Sequence[int]) -> AsyncIterator[tuple[int, Balancer]]:
    """Listen on a port of loopback; the port, and who serves it."""
    balancer = Balancer(ports)
    server = await asyncio.start_server(balancer.serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], balancer


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Pass everything on, and tell whether it came to a proper end."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        return False
    return True
