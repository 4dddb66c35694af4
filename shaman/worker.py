"""One worker process of `shaman serve`: it answers requests until it is asked to stop, then drains and ends."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

from shaman.app import create_app
from shaman.board import Place
from shaman.config import Config
from shaman.distros import Releases
from shaman.engines import DRAIN, engine
from shaman.logs import Lines
from shaman.store import ephemeral_store, open_store

CLOSING = 0.15
"""Seconds from the end of the drain for cutting off who is left and closing the store."""

YOUNG = 20_000
"""Objects made before the collector of garbage looks for cycles: a request makes some hundreds, with hardly a cycle."""


_log = logging.getLogger(__name__)


def work(
    config: Config, listener: socket.socket, url: str | None, tell: Connection, lines: Lines, place: Place
) -> None:
    """Be a worker: serve requests until SIGTERM, then drain. `tell` gets True when the application is ready.

    What it has to say goes to `lines`, what it counts to its `place` on the board of all workers.
    """
    _end_with_parent()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the loop is there to drain, there is nothing to drain
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent passes it on as SIGTERM
    lines.start()
    try:
        asyncio.run(_serve_requests(config, listener, url, tell, lines, place))
    except Exception:  # noqa: BLE001 - the log has it, as it has everything
        _log.exception("the worker has failed")
        sys.exit(1)
    finally:
        lines.stop()
        sys.stdout.flush()


async def _serve_requests(
    config: Config, listener: socket.socket, url: str | None, tell: Connection, lines: Lines, place: Place
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.set_exception_handler(_log_fault)
    releases = Releases(config.distros)
    store = open_store(url, config, releases) if url else ephemeral_store(config, releases)
    app = create_app(config, store, releases, lines)
    app.counts.take_place(place)
    _collect_seldom()

    @app.before_serving
    async def tell_parent() -> None:
        tell.send(True)
        tell.close()

    serving = asyncio.ensure_future(engine(config.server.engine)(app, listener, stop))
    stopping = asyncio.create_task(stop.wait())
    stopping.add_done_callback(lambda _: app.waiting.stop())
    stopping.add_done_callback(lambda _: store.feed.stop())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    done, _ = await asyncio.wait({serving}, timeout=DRAIN + CLOSING)
    for task in done:
        task.result()


def _collect_seldom() -> None:
    """Keep the collector of garbage from going over all that was imported, and from going over the rest too often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def _log_fault(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what the loop reports, unless a client was cut off at the end, or its connection broke: no fault of ours."""
    fault = context.get("exception")
    if not isinstance(fault, asyncio.CancelledError) and not ("transport" in context and isinstance(fault, OSError)):
        loop.default_exception_handler(context)


def _end_with_parent() -> None:
    """Let the kernel end this process when its parent dies, however it dies (Linux only)."""
    if not sys.platform.startswith("linux"):
        return
    set_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(set_death_signal, signal.SIGKILL)
    if parent == 1 or os.getppid() != parent:
        os._exit(1)
