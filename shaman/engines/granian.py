"""granian: HTTP is spoken in a thread of its own, outside of Python; the application stays in the worker's loop."""

import asyncio
import logging
import os
import socket
import sys

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server

from shaman.engines import BACKLOG, DRAIN, HEAD_WAIT, LAST_ACCEPT, REQUEST_LINE_LIMIT, all_read
from shaman.web.context import Shaman

CONNECTIONS = 65_536
"""Connections at once: by itself it takes 128 and lets the others wait until one of those goes, idle or not."""

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
            http1_settings=HTTP1Settings(header_read_timeout=HEAD_WAIT * 1000, max_buffer_size=REQUEST_LINE_LIMIT),
            websockets=False,
            backpressure=CONNECTIONS,
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
    await all_read(waiting)
    waiting.close()
    server.stop()  # type: ignore[no-untyped-call]
    await asyncio.wait({serving}, timeout=DRAIN - LAST_ACCEPT)
    if not serving.done():
        # There is no way to cut a connection, and a handler that is cancelled would be told to its client as a fault.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
    await app.shutdown()
