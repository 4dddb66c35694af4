"""A proxy between a service and its store that does to their connections what networks do.

Each message of the service draws its fate from one seeded generator. A message is what one `write` sent: a command, or
a batch of them, so half of a batch may come through.
"""

import asyncio
import socket
import struct
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from random import Random
from typing import Self
from urllib.parse import urlsplit

CHUNK = 1 << 16
DELAYS = (0.02, 0.6)
"""Seconds a message is held back: less than the service waits."""

LATE = (0.0, 1.0)
"""Seconds a message comes after the service has given up on it."""

PATIENCE = 5.0
"""Seconds until the proxy stops waiting for a service that should have given up."""


SETTLED = 0.2
"""Seconds until the store has done what has come to it."""


class Fault(StrEnum):
    """What can happen to a message and its reply."""

    CUT_BEFORE = "cut before the store has it"
    TORN_COMMAND = "cut in the middle of a command"
    CUT_AFTER = "cut before the reply"
    TORN_REPLY = "cut in the middle of the reply"
    RESET = "reset"
    DELAY = "delayed"
    LATE = "delivered after the service gave up"
    DEAF = "silence, the store has nothing"
    MUTE = "silence, the store has it"


SILENT = {Fault.DEAF, Fault.MUTE, Fault.LATE}
"""What the service notices by its own clock only."""


class _CutError(Exception):
    """The connection ends here."""


class FaultProxy:
    """Listens while it is entered; a `rate` of the messages, from 0 to 1, meets a fault."""

    def __init__(self, store: str, rate: float, seed: int, faults: tuple[Fault, ...] = tuple(Fault)) -> None:
        """Stand before the store at the URL `store`, redis:// or unix://."""
        self.rate = rate
        self.happened: Counter[Fault] = Counter()
        self.under_way = 0
        self._store = urlsplit(store)
        self._random = Random(seed)  # noqa: S311 - it decides nothing but which fault comes next
        self._faults = faults
        self._lines: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, and cut whoever is connected."""
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The store as the service shall see it."""
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def settle(self) -> None:
        """Do no harm any more, and return when the last message has come that was late."""
        self.rate = 0
        while self.under_way:  # noqa: ASYNC110 - a moment later is as good
            await asyncio.sleep(0.05)
        await asyncio.sleep(SETTLED)

    def fate(self) -> Fault | None:
        """Draw what happens to the next message."""
        if self._random.random() >= self.rate:
            return None
        fault = self._random.choice(self._faults)
        self.happened[fault] += 1
        return fault

    def between(self, seconds: tuple[float, float]) -> float:
        """Draw how long something takes."""
        return self._random.uniform(*seconds)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._carry(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if self._store.scheme == "unix":
                upper = await asyncio.open_unix_connection(self._store.path)
            else:
                upper = await asyncio.open_connection(self._store.hostname, self._store.port)
            await _Line(self, reader, writer, *upper).carry()
        writer.close()


class _Line:
    """One connection of the service, and that to the store behind it."""

    def __init__(
        self,
        proxy: FaultProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        store_reader: asyncio.StreamReader,
        store_writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._store_reader, self._store_writer = store_reader, store_writer
        self._reply: Fault | None = None

    async def carry(self) -> None:
        """Carry messages and replies until one side ends or a fault cuts them."""
        tasks = {asyncio.create_task(self._messages()), asyncio.create_task(self._replies())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._store_writer.close()

    async def _messages(self) -> None:
        while data := await self._reader.read(CHUNK):
            fault = self._proxy.fate()
            if fault is None:
                await self._forward(data)
                continue
            self._proxy.under_way += 1
            try:
                await self._forward(await self._struck(fault, data))
            finally:
                self._proxy.under_way -= 1

    async def _replies(self) -> None:
        while data := await self._store_reader.read(CHUNK):
            if self._reply in SILENT:
                continue
            if self._reply is Fault.TORN_REPLY:
                self._writer.write(data[: len(data) // 2])
                await self._writer.drain()
            if self._reply is not None:
                raise _CutError
            self._writer.write(data)
            await self._writer.drain()

    async def _struck(self, fault: Fault, data: bytes) -> bytes:
        """Do what `fault` does; what is left to forward."""
        if fault is Fault.DELAY:
            await asyncio.sleep(self._proxy.between(DELAYS))
            return data
        if fault is Fault.RESET:
            self._reset()
        if fault in {Fault.RESET, Fault.CUT_BEFORE}:
            raise _CutError
        if fault is Fault.TORN_COMMAND:
            await self._forward(data[: len(data) // 2])
            raise _CutError
        self._reply = fault
        if fault is Fault.MUTE:
            await self._forward(data)
        if fault in SILENT:
            await self._given_up()
        if fault in {Fault.MUTE, Fault.DEAF}:
            raise _CutError
        if fault is Fault.LATE:
            await asyncio.sleep(self._proxy.between(LATE))
        return data

    async def _forward(self, data: bytes) -> None:
        self._store_writer.write(data)
        await self._store_writer.drain()

    async def _given_up(self) -> None:
        """Return when the service has closed the connection; what it says meanwhile is lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while await self._reader.read(CHUNK):
                    pass

    def _reset(self) -> None:
        """Have the connection end in a RST instead of a FIN."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
