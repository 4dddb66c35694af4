"""The socket that clients knock at: what every connection gets from it, and how it is closed without losing any."""

import contextlib
import ctypes
import socket
import struct
import sys
import time
from collections.abc import Iterator

from shaman.engines import BACKLOG

UNREAD_WAIT = 20
"""Seconds until a client is cut off that takes nothing of what is sent to it, or has gone without a word."""

SETTLE = 0.03
"""Seconds for those who have knocked already to come in: a handshake takes as long as the way there and back."""

_NO_SYN = (
    (0x30, 0, 0, 13),  # load the flags of a TCP header
    (0x54, 0, 0, 0x12),  # keep SYN and ACK of them
    (0x15, 0, 1, 0x02),  # is it SYN alone,
    (0x06, 0, 0, 0),  # drop it,
    (0x06, 0, 0, 0xFFFF),  # else take it
)
"""A packet filter that drops the first packet of every connection, as bpf(4) writes them: code, jumps, operand."""


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen at an address. What is set here every connection has from the start, whichever engine takes it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # granian leaves it off: 40 ms for each POST
        if sys.platform.startswith("linux"):  # no engine has a limit for this, and none can cut off who does not read
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_WAIT * 1000)
        listener.setblocking(False)  # for all workers at once: the mode belongs to what they share, not to a process
        yield listener


def let_nobody_in(listener: socket.socket) -> None:
    """Have the kernel pass over who knocks from now on, and wait until those have come in who were at the door.

    Closing would reset them: they are connected before a worker takes them. Who is passed over knocks again a second
    later, and is refused then. Linux only; elsewhere a request of the last moment can be lost.
    """
    if not sys.platform.startswith("linux"):
        return
    attach_filter = 26  # SO_ATTACH_FILTER of socket(7); the rest is its sock_fprog
    program = b"".join(struct.pack("=HBBI", *step) for step in _NO_SYN)
    steps = ctypes.create_string_buffer(program)
    listener.setsockopt(socket.SOL_SOCKET, attach_filter, struct.pack("@HP", len(_NO_SYN), ctypes.addressof(steps)))
    time.sleep(SETTLE)


def url_of(listener: socket.socket) -> str:
    """Return the URL that leads to a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}"
