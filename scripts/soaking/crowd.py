"""Clients that hold connections and ask badly: idle, byte by byte, half a body, or deaf to the answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from benchmark import processes

CONNECT_SECONDS = 20
BYTE_EVERY = 0.5
"""Seconds between two bytes of those who send a head byte by byte."""

DEAF_BUFFER = 4096
"""Bytes that the kernel takes for a client that never reads."""

HALF_BODY = b'{"project": "'
_POST = [f"{name}: {value}" for name, value in processes.WRITER.items()]
HEAD_OF_BODY = "\r\n".join(["POST /repos/ceph/ HTTP/1.1", "Host: shaman", *_POST, "Content-Length: 1000", "", ""])


class Crowd:
    """The connections of such clients to one service, by what they do."""

    def __init__(self, url: str) -> None:
        """Come to the service at `url`, with nobody yet."""
        address = urlsplit(url)
        self._address = (address.hostname or "", address.port or 0)
        self.idle: list[socket.socket] = []
        self.creeping: list[socket.socket] = []
        self.half: list[socket.socket] = []
        self.deaf: list[socket.socket] = []

    def come(self, *, idle: int = 0, creeping: int = 0, half: int = 0, deaf: int = 0, path: str = "/") -> None:
        """Add so many of each kind; the deaf ask for `path`."""
        self.idle += [self._connected(b"") for _ in range(idle)]
        self.creeping += [self._connected(b"GET /repos/ HTTP/1.1\r\nHost: shaman\r\nX-Slow: ") for _ in range(creeping)]
        self.half += [self._connected(HEAD_OF_BODY.encode() + HALF_BODY) for _ in range(half)]
        asked = f"GET {path} HTTP/1.1\r\nHost: shaman\r\n\r\n".encode()
        self.deaf += [self._connected(asked, DEAF_BUFFER) for _ in range(deaf)]

    def _connected(self, begun: bytes, buffer: int = 0) -> socket.socket:
        client = socket.socket()
        client.settimeout(CONNECT_SECONDS)
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(self._address)
        client.sendall(begun)
        client.setblocking(False)
        return client

    def creep(self) -> None:
        """Send one more byte of each head that is sent byte by byte."""
        for client in self.creeping:
            with suppress(OSError):
                client.send(b"x")

    def drop_ended(self) -> None:
        """Forget those of the idle who have been hung up on."""
        over = [client for client in self.idle if ended(client)]
        for client in over:
            client.close()
        self.idle = [client for client in self.idle if client.fileno() >= 0]

    def leave(self) -> None:
        """Hang up."""
        for client in (*self.idle, *self.creeping, *self.half, *self.deaf):
            client.close()


@contextmanager
def crowding(url: str) -> Iterator[Crowd]:
    """Let a crowd come to a service; those who send byte by byte go on as long as it is there."""
    crowd, over = Crowd(url), threading.Event()

    def creep() -> None:
        while not over.wait(BYTE_EVERY):
            crowd.creep()

    thread = threading.Thread(target=creep)
    thread.start()
    try:
        yield crowd
    finally:
        over.set()
        thread.join()
        crowd.leave()


def ended(client: socket.socket) -> bool:
    """Tell whether the service has hung up; what it has sent before is thrown away."""
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def refuses(client: socket.socket) -> bool:
    """Tell whether the service takes nothing more from a client, which has not read what was sent to it."""
    try:
        client.send(b"\r\n")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False
