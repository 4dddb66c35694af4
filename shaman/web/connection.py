"""How a request comes to the framework and its answer leaves it, in fewer steps than the framework takes."""

import asyncio
from typing import Any, cast

from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    HTTPScope,
)
from quart import Quart
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseTypes
from quart.utils import cancel_tasks, encode_headers
from quart.wrappers.response import DataBody

from shaman.web.drain import has_body
from shaman.web.held import Receive, client_gone


class Connection(ASGIHTTPConnection):
    """One request. Where no body comes nobody waits for one, and a whole answer is one message.

    The framework has one task wait for the body and for the client to go, and another one answer, which costs as much
    as a lookup. Only a stream has to know that its client has gone. HTTP/1 says beforehand whether a body comes, HTTP/2
    does not.
    """

    def __init__(self, app: Quart, scope: HTTPScope) -> None:
        """Begin with the head of a request."""
        super().__init__(app, scope)
        self._unheard: ASGIReceiveCallable | None = None

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer the request."""
        if not self.scope["http_version"].startswith("1") or has_body(cast("dict[str, Any]", self.scope)):
            await super().__call__(receive, send)
            return
        self._unheard = receive
        request = self._create_request_from_scope(send)
        request.body.set_complete()
        await self.handle_request(request, send)

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        response.headers["X-Content-Type-Options"] = "nosniff"
        body = response.response
        if isinstance(body, DataBody):
            start = {"type": "http.response.start", "status": response.status_code}
            await send(cast("HTTPResponseStartEvent", start | {"headers": encode_headers(response.headers)}))
            end = {"type": "http.response.body", "body": body.data, "more_body": False}
            await send(cast("HTTPResponseBodyEvent", end))
        elif self._unheard is None:
            await super()._send_response(send, response)
        else:
            await self._stream(self._unheard, send, response)

    async def _stream(self, receive: ASGIReceiveCallable, send: ASGISendCallable, response: ResponseTypes) -> None:
        """Send a stream to its end, or until the client has gone."""
        sending = asyncio.ensure_future(super()._send_response(send, response))
        tasks = {sending, asyncio.ensure_future(client_gone(cast("Receive", receive)))}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_tasks(tasks)
