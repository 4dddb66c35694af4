"""The events of a server, one after the other, over as many connections as it takes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import httpx
import msgspec
from httpx_sse import EventSource, ServerSentEvent
from msgspec.structs import replace

from shaman.client.asking import Away, Pauses, Server, place
from shaman.client.records import RESET, Event
from shaman.errors import Unavailable

SILENCE = 45.0
"""Seconds without a byte after which a connection is taken for lost: a server says something every 15."""

_event = msgspec.json.Decoder(Event)


async def follow(server: Server, params: Mapping[str, str], cursor: str) -> AsyncGenerator[Event, None]:
    """Yield what happens after `cursor`, or from now on if it is empty; a lost connection is made again.

    Raises Unavailable if there is none within the patience of the server; once there was one, only what it refuses.
    """
    clock, pauses, connected = asyncio.get_running_loop().time, Pauses(), False
    after: float | None = None
    end = clock() + server.patience
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": cursor} if cursor else {})
        try:
            async with server.stream("/events", params, headers, SILENCE) as response:
                _check_kind(response)
                if connected and not cursor:
                    yield Event(kind=RESET)  # nobody knows what happened between the two connections
                connected = True
                async with aclosing(EventSource(response).aiter_sse()) as heard:
                    async for told in heard:
                        pauses, cursor = Pauses(), told.id or cursor
                        after = after if told.retry is None else told.retry / 1000
                        if told.data:
                            yield _read(told)
            error = Away(f"{place(response.url)}: the server has ended the connection", after)
        except Away as lost:
            error = lost
        pause = pauses.next(error.after)
        if not connected and clock() + pause > end:
            raise error
        server.tell(error)
        await asyncio.sleep(pause)


def _check_kind(response: httpx.Response) -> None:
    kind = response.headers.get("Content-Type", "")
    if not kind.startswith("text/event-stream"):
        raise Unavailable(f"{place(response.url)}: tells no events, but {kind or 'nothing'}")


def _read(told: ServerSentEvent) -> Event:
    if told.event == RESET:
        return Event(kind=RESET, cursor=told.id)
    try:
        return replace(_event.decode(told.data), cursor=told.id)
    except msgspec.DecodeError as error:
        raise Unavailable(f"an event that is none: {error}") from error
