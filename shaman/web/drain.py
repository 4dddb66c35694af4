"""Answers wait for the end of the request's body.

A server that answers and closes while the client still sends makes the client's kernel drop the answer: the builder
would see a broken connection where it was told 401 or 413.
"""

import asyncio

from shaman.web.held import App, Message, Receive, Scope, Send

DRAIN_BYTES = 16 * 1024 * 1024
"""Bytes of an unwanted body that are read before its sender is cut off."""

DRAIN_WAIT = 2.0
"""Seconds an answer waits for the rest of a body that nobody wants."""


def answer_after_body(app: App) -> App:
    """Wrap an ASGI application that receives to the end in the background, as Quart does."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await app(scope, receive, send)
            return
        ended = asyncio.Event()
        left = DRAIN_BYTES
        gone = False

        async def counted_receive() -> Message:
            nonlocal left, gone
            message = await receive()
            gone = message["type"] == "http.disconnect"
            left -= len(message.get("body", b""))
            if left < 0 or not message.get("more_body", False):
                ended.set()
            return message

        async def late_send(message: Message) -> None:
            if message["type"] == "http.response.start" and not ended.is_set():
                await asyncio.wait({waiting := asyncio.ensure_future(ended.wait())}, timeout=DRAIN_WAIT)
                waiting.cancel()
                ended.set()
            if not gone:
                await send(message)

        await app(scope, counted_receive, late_send)

    return wrapped


def has_body(scope: Scope) -> bool:
    """Tell whether a body comes with a request."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
