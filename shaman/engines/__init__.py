"""What speaks HTTP in a worker: Hypercorn, or granian, which the extra `fast` brings.

An engine is one coroutine function. It serves an application on a socket until the worker is asked to stop; then it
listens no more, gives the requests in flight DRAIN seconds, cuts off who is left, and lets the application end.
"""

import asyncio
import select
import socket
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec

from shaman.errors import Invalid
from shaman.web.context import Shaman

DRAIN = 1.5
"""Seconds a worker gives the requests in flight after a stop signal: the whole stop stays under the promised 2."""

REQUEST_LINE_LIMIT = 256 * 1024
"""Bytes of a request's line and headers that reach the application, which names what is too long about them."""

HEAD_WAIT = 5
"""Seconds from the end of a request for the whole head of the next: of clients that are idle, or send byte by byte."""

BACKLOG = 1024
"""Connections the kernel keeps waiting; the system's own limit may be lower."""

LAST_ACCEPT = 0.2
"""Seconds of a stop in which those who are connected already may still be taken, should more and more come."""

UNREAD = 0.01
"""Seconds of one of the turns in which the requests of those who were taken last arrive."""

TURNS = 8
"""Turns of the loop, and more than it takes to take a connection, read a request and see what it is."""

Engine = Callable[[Shaman, socket.socket, asyncio.Event], Awaitable[None]]
"""Called with the application, the socket, which it takes over, and what is set when it is time to stop."""


def check_engine(name: str) -> None:
    """Raise Invalid if the package of an engine is not installed."""
    if find_spec(name) is None:
        raise Invalid(f"server.engine: {name} is not installed; this brings it: pip install 'shaman[fast]'")


def engine(name: str) -> Engine:
    """Return the engine of this name, and import no other."""
    if name == "granian":
        from shaman.engines import granian  # noqa: PLC0415 - an extra, only needed here

        return granian.serve
    from shaman.engines import hypercorn  # noqa: PLC0415 - not needed beside another engine

    return hypercorn.serve


async def all_read(listener: socket.socket) -> None:
    """Wait until who is connected has been taken and has been read: engines drop who waits when they stop to listen.

    They hang up on those who have asked nothing yet, too, and a request may just be on its way.
    """
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    deadline = time.monotonic() + LAST_ACCEPT
    while poll.poll(0) and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells when one has been taken
        await asyncio.sleep(0.001)
    for _ in range(TURNS):
        await asyncio.sleep(UNREAD)
