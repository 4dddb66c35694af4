"""What speaks HTTP in a worker: Hypercorn, or granian, which the extra `fast` brings.

An engine is one coroutine function. It serves an application on a socket until the worker is asked to stop; then it
listens no more, gives the requests in flight DRAIN seconds, cuts off who is left, and lets the application end.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from importlib.util import find_spec

from shaman.errors import Invalid
from shaman.web.context import Shaman

DRAIN = 1.5
"""Seconds a worker gives the requests in flight after a stop signal: the whole stop stays under the promised 2."""

REQUEST_LINE_LIMIT = 256 * 1024
"""Bytes of a request's line and headers that reach the application, which names what is too long about them."""

BACKLOG = 1024
"""Connections the kernel keeps waiting; the system's own limit may be lower."""

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
