"""The requests that the service itself makes: health checks of the storage nodes, and deliveries to webhooks."""

import asyncio
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import h11

READ_AT_ONCE = 16 * 1024
"""Bytes read of an answer at once; h11 takes no longer headers either."""

FAULTS = (h11.ProtocolError, OSError, ValueError)
"""What `send` raises, whatever is wrong on the other side."""


async def send(
    url: str, trust: ssl.SSLContext, headers: Sequence[tuple[str, str]] = (), body: bytes | None = None
) -> int:
    """GET `url`, or POST a body to it, on a connection of its own, which ends with the headers; the status.

    A redirect is an answer like any other. It can be cancelled at any moment without leaving a socket behind, which
    httpx does in a TLS handshake. Raises one of FAULTS.
    """
    parts = urlsplit(url)
    tls = trust if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
    try:
        connection = h11.Connection(h11.CLIENT)
        writer.write(_request(connection, url, headers, body))
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(READ_AT_ONCE))
            elif isinstance(event, h11.Response):
                return event.status_code
            elif not isinstance(event, h11.InformationalResponse):
                raise ConnectionError("hung up without an answer")
    finally:
        writer.transport.abort()


def _request(connection: h11.Connection, url: str, more: Sequence[tuple[str, str]], body: bytes | None) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [("Host", parts.netloc), ("User-Agent", "shaman"), ("Accept", "*/*"), ("Connection", "close"), *more]
    if body is None:
        return connection.send(h11.Request(method="GET", target=target, headers=headers)) or b""
    headers.append(("Content-Length", str(len(body))))
    head = connection.send(h11.Request(method="POST", target=target, headers=headers)) or b""
    return head + (connection.send(h11.Data(body)) or b"") + (connection.send(h11.EndOfMessage()) or b"")
