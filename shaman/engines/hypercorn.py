"""Hypercorn, the engine that is there without being asked for."""

import asyncio
import socket

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from shaman.engines import BACKLOG, DRAIN, REQUEST_LINE_LIMIT
from shaman.web.context import Shaman


async def serve(app: Shaman, listener: socket.socket, stop: asyncio.Event) -> None:
    """Be an engine."""
    settings = Config()
    settings.bind = [f"fd://{listener.detach()}"]  # hypercorn closes it when it stops to listen
    settings.backlog = BACKLOG
    settings.graceful_timeout = DRAIN
    settings.h11_max_incomplete_size = REQUEST_LINE_LIMIT
    settings.include_server_header = False
    settings.errorlog = None
    await hypercorn_serve(app, settings, shutdown_trigger=stop.wait)
