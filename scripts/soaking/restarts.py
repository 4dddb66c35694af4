"""Two services behind a proxy, restarted in turn while requests come: none may fail.

Every request has a connection of its own, as behind a proxy with the defaults of its kind, and half of them write.
"""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from benchmark import processes
from msgspec import Struct, field

from shaman.store.embedded import Embedded
from soaking.balancer import balancing
from soaking.rows import Row

RATE = 500
"""Requests a second, as far as the machine can."""

AT_ONCE = 50
"""Requests that wait for an answer at most, so that a slow machine gets fewer instead of answering 503."""

ANSWER_SECONDS = 20
BETWEEN = 0.5
"""Seconds between a start and the next stop."""


class Load(Struct, kw_only=True):
    """What became of the requests: how many had which status, what went wrong, the slowest in seconds."""

    statuses: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    seconds: float = 0.0
    refused: int = 0

    @property
    def sent(self) -> int:
        """How many there were."""
        return self.statuses.total()

    @property
    def failed(self) -> dict[str, int]:
        """How many were not answered with a success, by what happened."""
        return {what: times for what, times in self.statuses.items() if what not in {"200", "201"}}


async def _request(port: int, number: int) -> str:
    """Return the status of one request, or the name of what happened instead."""
    body = b""
    if number % 2:
        name = f"https://chacra.example.org/r{number % 1000}"
        record = {"chacra_url": name, "url": name, "ref": "main", "sha1": "a0", "distro": "ubuntu"}
        body = msgspec.json.encode(record | {"distro_version": "jammy", "arch": "arm64", "extra": {"number": number}})
    headers = {"Host": "shaman", "Connection": "close", **processes.WRITER, "Content-Length": str(len(body))}
    lines = [f"{'POST' if body else 'GET'} /repos/{'ceph/' if body else ''} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            head, _, told = (await reader.read()).partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
            )
        finally:
            writer.close()
    except OSError as error:
        return type(error).__name__
    return head.split()[1].decode() if head and len(told) == length else "no whole answer"


async def send(ports: list[int], stop: threading.Event, load: Load) -> None:
    """Send requests through a proxy until `stop` is set."""
    room = asyncio.Semaphore(AT_ONCE)
    begin = time.monotonic()

    async def one(number: int) -> None:
        asked = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                load.statuses[await _request(port, number)] += 1
        except TimeoutError:
            load.statuses["no answer"] += 1
        load.slowest = max(load.slowest, time.monotonic() - asked)
        room.release()

    async with balancing(ports) as (port, balancer), asyncio.TaskGroup() as group:
        number = 0
        while not stop.is_set():
            await room.acquire()
            group.create_task(one(number))
            number += 1
            await asyncio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
        load.refused = balancer.refused
    load.seconds = time.monotonic() - begin


@contextmanager
def loaded(ports: list[int]) -> Iterator[Load]:
    """Send requests meanwhile, from another thread; afterwards tell what became of them."""
    load, stop = Load(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(send(ports, stop, load)))
    thread.start()
    try:
        yield load
    finally:
        stop.set()
        thread.join()


def roll(store: str, folder: Path, seconds: float, *options: str) -> tuple[Load, int]:
    """Restart two services in turn for so long, at least each once; what became of the requests, and the restarts."""
    ports = [_free_port(), _free_port()]
    restarts = 0
    with ExitStack() as one, ExitStack() as other:
        services = [one, other]

        def start(which: int) -> None:
            services[which].enter_context(processes.shaman(store, folder, "--port", str(ports[which]), *options))

        start(0)
        start(1)
        with loaded(ports) as load:
            until = time.monotonic() + seconds
            while restarts < len(ports) or time.monotonic() < until:
                time.sleep(BETWEEN)
                services[restarts % 2].close()  # SIGTERM, and until it has ended
                start(restarts % 2)
                restarts += 1
            time.sleep(BETWEEN)
    return load, restarts


def measure(seconds: float, seed: int) -> Iterator[Row]:  # noqa: ARG001 - nothing here is at random
    """Restart two services in turn under load, and tell what failed."""
    for engine in ("hypercorn", "granian"):
        with TemporaryDirectory(prefix="shaman-soak-") as folder, Embedded(Path(folder)) as store:
            load, restarts = roll(store.url, Path(folder), seconds / 2, "--server", engine)
        what = f"{engine}: {restarts} restarts of 2 services behind a proxy"
        figure = f"{load.sent:,} requests at {load.sent / load.seconds:.0f}/s, slowest {load.slowest * 1000:.0f} ms"
        yield Row(point="7", what=what, figure=figure)
        failed = sum(load.failed.values())
        told = ", ".join([str(failed), *(f"{times} {name}" for name, times in load.failed.items())])
        yield Row(point="7", what=f"{engine}: requests that failed", figure=told, promised="0", kept=not failed)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
