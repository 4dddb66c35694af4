"""A client of the service that knows which of its connections each answer came on, and times every call."""

import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from msgspec import Struct

ANSWER_SECONDS = 20


class Answer(Struct, frozen=True, kw_only=True):
    """An answer, and when and on which connection it came; the status is 0 if the connection ended instead."""

    connection: int
    begin: float
    end: float
    status: int
    body: bytes = b""


class Asker:
    """A client that keeps its connection, and so its worker, or has another one for each call."""

    def __init__(self, url: str, headers: dict[str, str], numbers: Iterator[int], *, keeps: bool) -> None:
        """Give each connection the next of `numbers`."""
        address = urlsplit(url)
        self._http = HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_SECONDS)
        self._headers = headers
        self._numbers = numbers
        self._keeps = keeps
        self._connection = 0

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Make a call, and tell how it went."""
        if self._http.sock is None:
            self._connection = next(self._numbers)
        begin, status, told = time.monotonic(), 0, b""
        try:
            self._http.request(method, path, body, self._headers if body is not None else {})
            response = self._http.getresponse()
            told, status = response.read(), response.status
        except (OSError, HTTPException):
            self.close()
        end, connection = time.monotonic(), self._connection
        if not self._keeps:
            self.close()
        return Answer(connection=connection, begin=begin, end=end, status=status, body=told)

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._http.close()
