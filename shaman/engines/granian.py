"""granian: HTTP is spoken in a thread of its own, outside of Python; the application stays in the worker's loop."""

import asyncio
import os
import select
import socket
import sys
import time

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server

from shaman.engines import BACKLOG, DRAIN, REQUEST_LINE_LIMIT
from shaman.web.context import Shaman

LAST_ACCEPT = 0.2
"""Seconds of a stop in which those who are connected already may still be taken, should more and more come."""

UNREAD = 0.03
"""Seconds from the taking of the last connection until its request has been read."""

LOGGING: dict[str, dict[str, str]] = {"formatters": {}, "handlers": {}, "loggers": {}}
"""Nothing of granian's own: its errors go where those of this service go."""


class _Server(Server):
    """A granian that serves on a socket which is there already.

    It has no public way to be given one, so this depends on names of its own: pyproject.toml limits its version.
    """

    def __init__(self, app: Shaman, listener: socket.socket) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,  # the life of the application is not granian's, as a stop may outrun it
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(max_buffer_size=REQUEST_LINE_LIMIT),
            websockets=False,
            log_level=LogLevels.error,
            log_dictconfig=LOGGING,
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._shd = SocketHolder(self._listener.detach(), False, BACKLOG)  # type: ignore[call-arg,assignment]


async def serve(app: Shaman, listener: socket.socket, stop: asyncio.Event) -> None:
    """Be an engine."""
    await app.startup()
    waiting = listener.dup()
    server = _Server(app, listener)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        raise RuntimeError("granian has ended unasked") from serving.exception()
    await _all_taken(waiting)
    waiting.close()
    server.stop()  # type: ignore[no-untyped-call]
    await asyncio.wait({serving}, timeout=DRAIN - LAST_ACCEPT)
    if not serving.done():
        # There is no way to cut a connection, and a handler that is cancelled would be told to its client as a fault.
        sys.stdout.flush()
        os._exit(0)
    await app.shutdown()


async def _all_taken(listener: socket.socket) -> None:
    """Wait until who is connected has been taken: granian drops those who still wait when it stops to listen."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    deadline = time.monotonic() + LAST_ACCEPT
    while poll.poll(0) and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells when granian has taken one
        await asyncio.sleep(0.001)
    await asyncio.sleep(UNREAD)
