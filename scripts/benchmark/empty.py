"""What shaman is measured against: a Quart handler that returns constant bytes, on the same Hypercorn.

Answers GET and POST of `/` with as many bytes as the argument says. Hypercorn is set as shaman sets its own.
"""

import asyncio
import signal
import socket
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response

BACKLOG = 1024
REQUEST_LINE_LIMIT = 256 * 1024


def create_app(size: int) -> Quart:
    """Return the application."""
    app, body = Quart("empty", static_folder=None), b"x" * size

    @app.route("/", methods=["GET", "POST"])
    async def answer() -> Response:
        return Response(body, content_type="application/json")

    return app


def settings(listener: socket.socket) -> Config:
    """Return what Hypercorn is told."""
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = BACKLOG
    config.h11_max_incomplete_size = REQUEST_LINE_LIMIT
    config.include_server_header = False
    config.errorlog = None
    return config


async def main() -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    print(f"empty serves http://127.0.0.1:{listener.getsockname()[1]} ", flush=True)
    await serve(create_app(int(sys.argv[1])), settings(listener), shutdown_trigger=stop.wait)


if __name__ == "__main__":
    asyncio.run(main())
