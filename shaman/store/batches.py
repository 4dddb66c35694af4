"""Calls of the same moment share a round trip.

A busy process has many requests that each ask the store one small thing, and a round trip costs a process more than the
answer costs the store. So what is asked while the loop serves other requests goes out together, on few connections.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from shaman.measures import Times
from shaman.store.connection import REPLY_WAIT
from shaman.store.replicas import acknowledged, wait_for

IN_FLIGHT = 4
"""Batches on their way at once: more would only take connections, as the store does one thing after the other."""

LONGEST = 16
"""Calls in one batch: the store does them one after the other before it serves somebody else."""

Argument = str | bytes | int
Batch = list[tuple[Sequence[Argument], asyncio.Future[Any]]]


class RoundTrips:
    """What the way to the store has taken so far."""

    def __init__(self) -> None:
        """Begin with none."""
        self.times = Times()
        self.failed = 0


class Batches:
    """The way of short calls to the store: each is answered, or fails, by itself.

    With `replicas`, a batch is answered when so many replicas have what it wrote, else all its calls fail. That waits
    for what the batch wrote itself, not for what it found written, and it belongs to writes alone: where a replica is
    away, lookups would wait with them.
    """

    def __init__(self, client: Redis, replicas: int = 0, round_trips: RoundTrips | None = None) -> None:
        """Use `client`; nothing is sent before the first call. Each round trip is noted in `round_trips`."""
        self._client = client
        self._round_trips = round_trips or RoundTrips()
        self.replicas = replicas
        self._waiting: Batch = []
        self._in_flight: set[asyncio.Task[None]] = set()

    async def call(self, *command: Argument) -> Any:
        """Send a command and return its answer. Raises what the client raises; a whole batch may fail at once."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._waiting.append((command, answer))
        if len(self._waiting) == 1:
            loop.call_soon(self._send)
        return await answer

    def _send(self) -> None:
        while self._waiting and len(self._in_flight) < IN_FLIGHT:
            batch, self._waiting = self._waiting[:LONGEST], self._waiting[LONGEST:]
            task = asyncio.create_task(self._run(batch))
            self._in_flight.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._send()

    async def _run(self, batch: Batch) -> None:
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(REPLY_WAIT):
                answers = await self._send_all([command for command, _ in batch])
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            if isinstance(error, exceptions.RedisError | OSError):
                self._round_trips.failed += 1
                # What waits behind a store that is away would find it away too, only later.
                batch, self._waiting = [*batch, *self._waiting], []
            answers = [error] * len(batch)
        self._round_trips.times.note(time.perf_counter() - begun)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():  # whoever asked has gone
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    async def _send_all(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        if self.replicas:
            pipeline.execute_command(*wait_for(self.replicas))
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        if self.replicas:
            answers = acknowledged(answers, self.replicas)
        if len(answers) != len(commands):
            raise RuntimeError("the store has answered to another number of commands")
        if any(isinstance(answer, exceptions.ReadOnlyError) for answer in answers):
            # A master that has become a replica keeps its connections; its name may lead to another server by now.
            await self._client.connection_pool.disconnect(inuse_connections=False)
        return answers


class Script:
    """A Lua script, loaded again where the server has lost it."""

    def __init__(self, client: Redis, batches: Batches, name: str) -> None:
        """Know the script `lua/<name>.lua`, and call it in `batches`."""
        self._text = script_text(name)
        self.registered: AsyncScript = client.register_script(self._text)
        self._batches = batches

    async def __call__(self, names: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """Call it with KEYS and ARGV."""
        try:
            return await self._batches.call("EVALSHA", self.registered.sha, len(names), *names, *arguments)
        except exceptions.NoScriptError:
            # That is how the very node learns it that has lost it.
            return await self._batches.call("EVAL", self._text, len(names), *names, *arguments)


def script_text(name: str) -> str:
    """Return the text of a script, with each file it includes in place of the line that says so."""
    text = (files("shaman.store") / "lua" / f"{name}.lua").read_text("utf-8")
    return re.sub(r"--@include (\w+)\n", lambda line: script_text(line[1]), text)
