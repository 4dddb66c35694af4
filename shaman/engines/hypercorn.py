"""Hypercorn, the engine that is there without being asked for."""

import asyncio
import socket

import h11
from hypercorn import protocol
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol

from shaman.engines import BACKLOG, DRAIN, HEAD_WAIT, LAST_ACCEPT, REQUEST_LINE_LIMIT, all_read
from shaman.web.context import Shaman


class _Http1(H11Protocol):
    """HTTP/1.1 and nothing else.

    A router that lets an upgrade to HTTP/2 pass would see no more of what is asked, nor add X-Forwarded-For. Hypercorn
    has no setting for it, so this depends on names of its own; a test asks for the upgrade.
    """

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay."""


async def serve(app: Shaman, listener: socket.socket, stop: asyncio.Event) -> None:
    """Be an engine."""
    protocol.H11Protocol = _Http1  # type: ignore[attr-defined]
    settings = Config()
    waiting = listener.dup()
    settings.bind = [f"fd://{listener.detach()}"]  # hypercorn closes it when it stops to listen
    settings.backlog = BACKLOG
    settings.graceful_timeout = DRAIN - LAST_ACCEPT
    settings.keep_alive_timeout = HEAD_WAIT
    settings.h11_max_incomplete_size = REQUEST_LINE_LIMIT
    settings.include_server_header = False
    settings.errorlog = None

    async def stopped() -> None:
        await stop.wait()
        settings.keep_alive_max_requests = 0  # each answer from now on says that it is the last
        await all_read(waiting)
        waiting.close()

    await hypercorn_serve(app, settings, shutdown_trigger=stopped)
