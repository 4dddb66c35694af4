"""Every request, in front of everything: its id, its line in the log, and what it counts for.

It stands in the way of answers from memory, which take 100 us in all: what can wait is done when the line is written.
"""

import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from itertools import count
from urllib.parse import unquote_to_bytes

from msgspec import Struct
from quart import request

from shaman.logs import Line, Lines, asked_id, stamp
from shaman.web.held import App, Message, Receive, Scope, Send
from shaman.web.logins import client_address

LONGEST_ID = 128
"""Characters of an id that a client chooses; a UUID has 36."""

SHOWN = 500
"""Bytes of a path or a query that a line has; what is longer is nothing that is built."""

TOLD_PARAMETERS = frozenset(
    b"after arch common_sha1 distros flavor kind last_event_id project q ref sha1 status v wait".split()
)
"""Parameters of which the log has the value: the service knows them, so what stands there is no secret."""

UNKNOWN = "unknown"
"""The route of a path that is none, and of a request that nobody has looked at yet."""

_SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]*")
_CREDENTIALS = re.compile(rb"//[^/?#]*(?:@|%40)", re.IGNORECASE)
_CONVERTER = re.compile(r"<(?:[^<>:]*:)?([^<>]*)>")


class Asked(Struct, gc=False):
    """A request, and what has become of it."""

    id: str
    method: str
    path: bytes
    query: bytes
    peer: str
    forwarded: bytes
    begun: float
    route: str = UNKNOWN
    from_memory: bool = False
    waited: bool = False
    status: int = 0
    answered: float = 0.0
    ended: float = 0.0
    size: int = 0
    whole: bool = False


asked: ContextVar[Asked | None] = ContextVar("asked", default=None)
"""The request that is being answered."""


class RequestLine(Line, kw_only=True):
    """What the log has of a request."""

    method: str
    path: str
    query: str
    route: str
    status: int
    ms: float
    bytes: int
    memory: bool
    waited: bool
    whole: bool
    client: str

    def text(self) -> str:
        """Return it as a person reads it."""
        asked_for = f"{self.path}?{self.query}" if self.query else self.path
        notes = "".join(f" {name}" for name in ("memory", "waited") if getattr(self, name)) + " cut" * (not self.whole)
        what = f"{self.method} {asked_for} {self.status or '-'} {self.bytes} B {self.ms} ms{notes}"
        return f"{self.time} {self.level.upper()} {self.client} [{self.request}] {what}"


class Telemetry:
    """An ASGI application that tells of each request to `app` what there is to tell."""

    def __init__(self, app: App, tell: Callable[[Asked], None], lines: Lines | None, proxies: int) -> None:
        """Call `tell` with each request when it has been answered, and have its line written to `lines`."""
        self._app = app
        self._tell = tell
        self._lines = lines
        self._proxies = proxies
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        now = self._begin(scope)
        header = (b"x-request-id", now.id.encode())

        def note(message: Message) -> object:
            if message["type"] == "http.response.start":
                now.status, now.answered = message["status"], time.perf_counter()
                message["headers"] = (*message["headers"], header)
            else:
                now.size += len(message.get("body", b""))
                now.whole = not message.get("more_body", False)
            return send(message)

        by_asked, by_id = asked.set(now), asked_id.set(now.id)
        try:
            await self._app(scope, receive, note)
        finally:
            asked.reset(by_asked)
            asked_id.reset(by_id)
            now.ended = time.perf_counter()
            self._tell(now)
            if self._lines is not None:
                self._lines.append(lambda: self._line(now))

    def _begin(self, scope: Scope) -> Asked:
        named = forwarded = b""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                named = value
            elif name == b"x-forwarded-for":
                forwarded = forwarded + b"," + value if forwarded else value
        client = scope.get("client")
        return Asked(
            sane_id(named) or f"{self._prefix}-{next(self._numbers):x}",
            scope["method"],
            scope.get("raw_path") or scope["path"].encode(),
            scope["query_string"],
            client[0] if client else "",
            forwarded,
            time.perf_counter(),
        )

    def _line(self, now: Asked) -> RequestLine:
        return RequestLine(
            time=stamp(time.time() + now.ended - time.perf_counter()),
            level="info",
            logger="shaman.requests",
            request=now.id,
            method=now.method,
            path=shown_path(now.path[: SHOWN + 1]),
            query=shown_query(now.query[: SHOWN + 1]),
            route=now.route,
            status=now.status,
            ms=round((now.ended - now.begun) * 1000, 3),
            bytes=now.size,
            memory=now.from_memory,
            waited=now.waited,
            whole=now.whole,
            client=_client(now.peer, now.forwarded, self._proxies),
        )


def sane_id(value: bytes) -> str:
    """Return the id that a client has chosen, "" if it is none that one could search for."""
    return value.decode() if 0 < len(value) <= LONGEST_ID and _SANE_ID.fullmatch(value) else ""


async def note_route() -> None:
    """Note which route answers: its rule, as the paths are without number."""
    now = asked.get()
    if now is not None and request.url_rule is not None:
        now.route = _label(request.url_rule.rule)


@lru_cache(maxsize=4096)
def shown_path(raw: bytes) -> str:
    """Return a path for the log: cut, without what nobody can read, and without credentials."""
    return _shown(_CREDENTIALS.sub(b"//...@", raw))


@lru_cache(maxsize=4096)
def shown_query(raw: bytes) -> str:
    """Return a query for the log: of parameters that the service does not know, nobody knows what they hold."""
    return _shown(b"&".join(_shown_parameter(part) for part in raw.split(b"&"))) if raw else ""


def _shown_parameter(part: bytes) -> bytes:
    name, is_given, value = part.partition(b"=")
    if not is_given or name not in TOLD_PARAMETERS:
        return b"..."
    return name + b"=..." if b"@" in unquote_to_bytes(value) else part


def _shown(raw: bytes) -> str:
    text = raw.decode("ascii", "backslashreplace")
    if not text.isprintable():
        text = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
    return text if len(raw) <= SHOWN else text[:SHOWN] + "..."


@lru_cache(maxsize=1024)
def _label(rule: str) -> str:
    return _CONVERTER.sub(r"<\1>", rule)


@lru_cache(maxsize=4096)
def _client(peer: str, forwarded: bytes, proxies: int) -> str:
    return client_address(peer, [forwarded.decode("latin-1")], proxies)
