"""The services of the bench, each a process that is ended with it, on loopback only; and questions asked by hand."""

import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

SHAMAN = Path(sys.executable).with_name("shaman")
EMPTY = Path(__file__).with_name("empty.py")
USER, KEY = "bench", "not-secret"
NODES = ("https://chacra01.example.org", "https://chacra02.example.org", "https://chacra03.example.org")
UNSET = ("PORT", "WEB_CONCURRENCY", "SHAMAN_DATA_DIR")
"""Variables that would make the service another one than the bench means."""

STOP_SECONDS = 10
ANSWER_SECONDS = 10

WRITER = {
    "Authorization": "Basic " + base64.b64encode(f"{USER}:{KEY}".encode()).decode(),
    "Content-Type": "application/json",
}
"""Headers of a POST."""


class Service(Struct, frozen=True):
    """A service that runs, the process that it is, or is the parent of, and the URL of the store that it asks."""

    url: str
    pid: int
    store: str = ""

    def connect(self) -> HTTPConnection:
        """Return a connection to ask by hand."""
        place = urlsplit(self.url)
        return HTTPConnection(place.hostname or "", place.port, timeout=ANSWER_SECONDS)

    def get(self, target: str) -> bytes:
        """Return the answer. Raises RuntimeError unless it is one of success."""
        return ask(self.connect(), "GET", target)[0]

    def cpu(self) -> float:
        """Return the seconds of processor time used since the start, by children too; 0 where that is not told."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        pids = [self.pid, *map(int, children.read_text().split())] if children.exists() else []
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def ask(
    connection: HTTPConnection,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an answer. Raises RuntimeError unless it is one of success."""
    connection.request(method, target, body, headers or {})
    response = connection.getresponse()
    answer = response.read()
    if response.status >= 400:  # noqa: PLR2004 - where errors begin
        raise RuntimeError(f"{method} {target}: {response.status} {answer[:200]!r}")
    return answer, {name.lower(): value for name, value in response.getheaders()}


@contextmanager
def shaman(store: str, folder: Path, *options: str) -> Iterator[Service]:
    """Serve the store at a URL with one worker."""
    config = folder / "config.toml"
    config.write_text(f"chacra_nodes = {list(NODES)}\n")
    settings = {"REDIS_URL": store, "SHAMAN_API_USER": USER, "SHAMAN_API_KEY": KEY, "SHAMAN_CONFIG": str(config)}
    with _started([str(SHAMAN), "serve", "--port", "0", "--workers", "1", *options], settings) as service:
        yield Service(service.url, service.pid, store)


@contextmanager
def empty(size: int) -> Iterator[Service]:
    """Serve a constant answer."""
    with _started([sys.executable, str(EMPTY), str(size)], {}) as service:
        yield service


@contextmanager
def _started(command: Sequence[str], settings: dict[str, str]) -> Iterator[Service]:
    """Start a service and wait until it says where it serves. Raises RuntimeError if it ends instead.

    Its log has a line for every request: each costs what it costs, and nobody reads them.
    """
    environment = {name: value for name, value in os.environ.items() if name not in UNSET} | settings
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            found = re.search(r"serves (http://\S+) ", said)
            if not found:
                raise RuntimeError(f"{' '.join(command)} did not start; it said: {said!r}")
            yield Service(found[1], process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
