"""`wait=SECONDS`: an answer as soon as there is something to tell, instead of asking again and again.

Who waits costs no connection to the store. It is woken by the wake-ups that name what its answer was made from, and
asks again then; also when wake-ups were lost, as nobody knows what they would have told.
"""

import asyncio
import math
from contextlib import AbstractAsyncContextManager, nullcontext
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from shaman.store.wakeups import Reading, Wakeups, noting_reads
from shaman.web.held import App, Held, Message, Receive, Scope, Send, client_gone
from shaman.web.telemetry import asked

LOOKUPS = ("/search/", "/repos/", "/api/search/", "/api/repos/", "/api/builds/")
"""Beginnings of the paths that can be waited for, which may do without the last slash."""

NOTHING = b"2"
"""The length of an answer that has nothing to tell, `[]` or `{}`; a HEAD tells no more of it."""

AT_ONCE = 64
"""Waiters that ask again at the same time: when wake-ups were lost all do, and others want to be answered meanwhile."""

NOT_YET = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GATEWAY_TIMEOUT})
"""Answers that say that something is not there, or not ready."""


class Waiting:
    """An ASGI application that has `app` answer again until it has something to tell."""

    def __init__(self, app: App, wakeups: Wakeups, longest: float) -> None:
        """Wait for at most `longest` seconds, whatever a client asks for."""
        self._app = app
        self._wakeups = wakeups
        self._longest = longest
        self._waiters: set[asyncio.Future[None]] = set()
        self._asking_again = asyncio.Semaphore(AT_ONCE)
        self._stopped = False

    def __len__(self) -> int:
        """Tell how many wait."""
        return len(self._waiters)

    def stop(self) -> None:
        """Give everybody who waits the answer of now; from now on nobody waits."""
        self._stopped = True
        for waiter in self._waiters:
            waiter.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        seconds, query = _asked_to_wait(scope)
        if seconds is None:
            await self._app(scope, receive, send)
            return
        scope = scope | {"query_string": query}
        known = any(name == b"if-none-match" for name, _ in scope["headers"])
        end = asyncio.get_running_loop().time() + min(seconds, self._longest)
        turn: AbstractAsyncContextManager[object] = nullcontext()
        while True:
            async with turn:
                moment, held = self._wakeups.now, Held(send, lambda _: True)
                with noting_reads() as made_from:
                    await self._app(scope, receive, held.send)
            whole = held.whole()
            if whole is None:
                return
            start, body = whole
            if _tells(start, known=known) or not await self._changes(made_from, moment, receive, end):
                break
            turn = self._asking_again
        await send(start)
        await send({"type": "http.response.body", "body": body})

    async def _changes(self, made_from: Reading, moment: int, receive: Receive, end: float) -> bool:
        """Wait for a change; False if the time is over, the client gone, or the service about to stop."""
        left = end - asyncio.get_running_loop().time()
        if self._stopped or left <= 0 or not made_from.tags or not made_from.complete:
            return False
        change = asyncio.ensure_future(self._wakeups.change(made_from.tags, moment))
        gone = asyncio.ensure_future(client_gone(receive))
        self._waiters.add(change)
        if now := asked.get():
            now.waited = True
        try:
            await asyncio.wait({change, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return change.done() and not change.cancelled()
        finally:
            self._waiters.discard(change)
            change.cancel()
            gone.cancel()


def can_wait(path: str) -> bool:
    """Tell whether a path is one of a lookup."""
    return f"{path}/".startswith(LOOKUPS)


def _asked_to_wait(scope: Scope) -> tuple[float | None, bytes]:
    """Return the seconds, and the query without them; None if nobody asks to wait for a lookup, or not properly."""
    query: bytes = scope.get("query_string", b"")
    if b"wait=" not in query or scope["type"] != "http":
        return None, query
    if scope["method"] not in {"GET", "HEAD"} or not can_wait(scope["path"]):
        return None, query
    parts = query.split(b"&")
    given = [part for part in parts if part.startswith(b"wait=")]
    try:
        [seconds] = [float(unquote_to_bytes(part.removeprefix(b"wait="))) for part in given]
    except ValueError:
        return None, query
    if not (math.isfinite(seconds) and seconds >= 0):
        return None, query
    return seconds, b"&".join(part for part in parts if part not in given)


def _tells(start: Message, *, known: bool) -> bool:
    """Tell whether an answer is worth waking somebody who has the one before (`known`), or has none."""
    status = start["status"]
    if status == HTTPStatus.NOT_MODIFIED:
        return False
    return known or (status not in NOT_YET and (b"content-length", NOTHING) not in start["headers"])
