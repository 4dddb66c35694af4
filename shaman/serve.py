"""`shaman serve`: one parent that owns the socket, the private server and the worker processes.

The parent accepts no connection itself. It starts the workers by fork, starts another when one dies, starts the
private server again when that dies, and passes a stop signal on; the workers drain and end.
"""

import contextlib
import logging
import multiprocessing
import resource
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Self

from shaman.board import Board, Place
from shaman.config import Config
from shaman.engines import DRAIN
from shaman.listener import let_nobody_in, listening, url_of
from shaman.logs import Lines
from shaman.store.embedded import Embedded
from shaman.worker import work

LAST_CALL = 0.3
"""Seconds from the end of the drain until a worker is ended by force."""

TICK = 0.5
"""Seconds between two looks at the private server, should its end go unnoticed otherwise."""

FILES = 65_536
"""Files that a process may open: each connection is one. Systems begin with 1024 for the sake of old programs."""

START_LIMIT = 20
"""Seconds for a worker to listen; it takes half a second on an idle machine."""

_log = logging.getLogger(__name__)

_context = multiprocessing.get_context("fork")


def serve(
    config: Config, announce: Callable[[str], None], embedded: Embedded | None, url: str | None, lines: Lines
) -> int:
    """Serve until a stop signal; the exit code. What is told goes to `lines`.

    `url` names the store, None is a store inside the one worker. `embedded` is its private server, if it has one.
    `announce` is called with the URL of the service as soon as it answers. Must run in the main thread.
    """
    _raise_limit_of_files()
    with listening(config.server.host, config.server.port) as listener, _StopSignal() as stop:
        parent = _Parent(config, listener, url, lines)
        try:
            parent.start_workers()
            announce(url_of(listener))
            while not stop.received:
                parent.start_workers()
                if embedded and not embedded.alive():
                    _log.warning("the private server has ended; starting it again")
                    embedded.start()
                wait([*parent.sentinels(), stop.awakened], TICK)
        finally:
            let_nobody_in(listener)
            listener.close()  # the workers close theirs when they have taken who waits; then connections are refused
            parent.stop_workers()
    return 0


class _Parent:
    """The worker processes of one service."""

    def __init__(self, config: Config, listener: socket.socket, url: str | None, lines: Lines) -> None:
        self._config = config
        self._listener = listener
        self._url = url
        self._lines = lines
        self._board = Board(config.server.workers)
        self._workers: dict[Place, BaseProcess] = {}

    def start_workers(self) -> None:
        """Start what is missing of the workers, and wait until each of them listens."""
        starting = []
        for place in self._board.places:
            worker = self._workers.get(place)
            if worker and worker.exitcode is None:
                continue
            if worker:
                _log.error("worker %s has ended with %s; starting another", worker.pid, worker.exitcode)
            starting.append(self._start(place))
        for ready in starting:
            if not ready.poll(START_LIMIT) or not _received(ready):
                raise RuntimeError("a worker did not start; the log says why")

    def _start(self, place: Place) -> Connection:
        ready, tell = _context.Pipe(duplex=False)
        assigned = (self._config, self._listener, self._url, tell, self._lines, place)
        worker = _context.Process(target=work, args=assigned, daemon=True)
        worker.start()
        tell.close()
        self._workers[place] = worker
        return ready

    def sentinels(self) -> list[int]:
        """Return what becomes ready when a worker ends."""
        return [worker.sentinel for worker in self._workers.values()]

    def stop_workers(self) -> None:
        """Ask every worker to drain and end; end by force those who do not."""
        for worker in self._workers.values():
            worker.terminate()
        deadline = time.monotonic() + DRAIN + LAST_CALL
        for worker in self._workers.values():
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.exitcode is None:
                worker.kill()
                worker.join()


def _received(ready: Connection) -> bool:
    with contextlib.suppress(EOFError):
        return bool(ready.recv())
    return False


def _raise_limit_of_files() -> None:
    """Let this process and its workers have as many connections as the system lets anybody have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _StopSignal:
    """Notes SIGTERM and SIGINT while it is entered; `awakened` becomes readable when one comes."""

    def __init__(self) -> None:
        self.received = False
        self.awakened, self._waker = socket.socketpair()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def _note(self, _number: int, _frame: object) -> None:
        self.received = True

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.awakened.close()
        self._waker.close()
