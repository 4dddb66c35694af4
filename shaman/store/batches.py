"""Calls of the same moment share a round trip.

A busy process has many requests that each ask the store one small thing, and a round trip costs a process more than the
answer costs the store. So what is asked while the loop serves other requests goes out together, on few connections.
"""

import asyncio
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

IN_FLIGHT = 4
"""Batches on their way at once: more would only take connections, as the store does one thing after the other."""

LONGEST = 64
"""Calls in one batch: the last one waits for the others, under a millisecond each."""

Argument = str | bytes | int


class Batches:
    """The way of short calls to the store: each is answered, or fails, by itself."""

    def __init__(self, client: Redis) -> None:
        """Use `client`; nothing is sent before the first call."""
        self._client = client
        self._waiting: list[tuple[Sequence[Argument], asyncio.Future[Any]]] = []
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

    async def _run(self, batch: Sequence[tuple[Sequence[Argument], asyncio.Future[Any]]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for command, _ in batch:
            pipeline.execute_command(*command)
        answers: Sequence[Any]
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except (exceptions.RedisError, OSError) as error:
            answers = [error] * len(batch)
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():  # whoever asked has gone
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class Script:
    """A Lua script, loaded again where the server has lost it."""

    def __init__(self, client: Redis, batches: Batches, name: str) -> None:
        """Know the script `lua/<name>.lua`."""
        self.registered: AsyncScript = client.register_script(script_text(name))
        self._batches = batches

    async def __call__(self, names: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """Call it with KEYS and ARGV."""
        try:
            return await self._batches.call("EVALSHA", self.registered.sha, len(names), *names, *arguments)
        except exceptions.NoScriptError:
            return await self.registered(names, arguments)


def script_text(name: str) -> str:
    """Return the text of a script, with each file it includes in place of the line that says so."""
    text = (files("shaman.store") / "lua" / f"{name}.lua").read_text("utf-8")
    return re.sub(r"--@include (\w+)\n", lambda line: script_text(line[1]), text)
