"""Stores and services as processes that are started, killed and started again, on loopback only."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from shaman.store.embedded import find_binary
from soaking.builders import KEY, USER

READY_SECONDS = 30
"""Until a process must answer; a store that reads its file, or a service on a busy machine, takes some."""

STOP_SECONDS = 10
UNSET = ("PORT", "WEB_CONCURRENCY", "SHAMAN_DATA_DIR", "SHAMAN_CONFIG", "REDIS_URL")
"""Variables that would make the service another one than the soak means."""


class Process:
    """One process at a port of its own; entered, it runs."""

    def __init__(self, command: Sequence[str], folder: Path, port: int, ready: Callable[[int], bool]) -> None:
        """Know how it is started in `folder`; `ready` tells whether it answers at its port."""
        self.command, self.folder, self.port = list(command), folder, port
        self.environment: Mapping[str, str] = os.environ
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process that was started last."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError if it ends instead."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.command[0]} did not start; {self.folder}/log says why")
            time.sleep(0.01)

    def ended(self) -> bool:
        """Tell whether it has ended, or was never started."""
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """End it by force."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it in order, and by force if that takes too long."""
        if self._process:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self.kill()

    def children(self) -> list[int]:
        """Return what it has started itself (Linux only)."""
        with suppress(OSError):
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        return []

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.stop()


def store(folder: Path, *options: str, port: int = 0) -> Process:
    """Return a store with an append-only file in `folder`; the last option of a name wins."""
    port = port or free_port()
    command = [str(find_binary()), "--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--save", ""]
    return Process([*command, "--appendfsync", "always", *options], folder, port, answers_ping)


def service(folder: Path, redis_url: str = "", settings: str = "", workers: int = 2) -> Process:
    """Return a service on the store at a URL, or on one of its own; `settings` goes into its config.toml."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(settings)
    command = [sys.executable, "-m", "shaman", "serve", "--port", str(port), "--workers", str(workers)]
    process = Process(command, folder, port, answers_http)
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    process.environment = environment | {"SHAMAN_API_USER": USER, "SHAMAN_API_KEY": KEY, "REDIS_URL": redis_url}
    return process


def is_store(pid: int) -> bool:
    """Tell whether a process is a store (Linux only)."""
    with suppress(OSError):
        return b"-server" in Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]
    return False


def await_end(pids: Sequence[int]) -> None:
    """Return when none of the processes is there any more."""
    for pid in pids:
        with suppress(OSError):
            while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.005)


def kill(pid: int) -> None:
    """End a process that is none of our own by force, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def answers_ping(port: int) -> bool:
    """Tell whether a store has read its data and answers."""
    return said(port, b"PING\r\n").startswith(b"+PONG")


def answers_http(port: int) -> bool:
    """Tell whether a service answers, whatever it says of its store."""
    return said(port, b"GET /_health/ HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1")


def said(port: int, question: bytes) -> bytes:
    """Return the beginning of what a port says to a question, or nothing."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(question)
        return connection.recv(1024)
    return b""
