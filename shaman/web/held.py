"""What an application sends, held back so that something can be done with it before it leaves."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

HELD_LIMIT = 256 * 1024
"""Bytes of an answer that is held back; what is longer takes its time to send anyway."""

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Held:
    """An answer on its way: held back if it is short and `wanted` says so of its first message, else passed on."""

    def __init__(self, send: Send, wanted: Callable[[Message], bool]) -> None:
        """Pass on to `send`."""
        self._send = send
        self._wanted = wanted
        self._start: Message | None = None
        self._parts: list[bytes] = []
        self._complete = False

    async def send(self, message: Message) -> None:
        """Take a message, as the server would."""
        if message["type"] == "http.response.start" and self._is_held(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._parts.append(message.get("body", b""))
            self._complete = not message.get("more_body", False)

    def whole(self) -> tuple[Message, bytes] | None:
        """Return the message that starts the answer and its body, if it has been held back."""
        if self._start is None or not self._complete:
            return None
        return self._start, b"".join(self._parts)

    def _is_held(self, start: Message) -> bool:
        # A stream does not say its length beforehand, and a 304 has none.
        without = b"0" if start["status"] == HTTPStatus.NOT_MODIFIED else None
        length = next((value for name, value in start["headers"] if name == b"content-length"), without)
        return length is not None and int(length) <= HELD_LIMIT and self._wanted(start)


async def client_gone(receive: Receive) -> None:
    """Return when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
