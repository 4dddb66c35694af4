"""`/events`: every change as it comes, as Server-Sent Events."""

import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import lru_cache

import msgspec
from quart import Blueprint, Response, request

from shaman.checks import check_sha1, check_text
from shaman.errors import Invalid
from shaman.store.feed import Feed, Item
from shaman.store.told import KINDS, Told, Wanted
from shaman.web.answers import EVENTS, answers
from shaman.web.context import shaman
from shaman.web.responses import check_no_parameters

blueprint = Blueprint("events", __name__, url_prefix="/events")

COME_BACK = (1000, 3000)
"""Milliseconds until a client that was cut off comes back, chosen for each so that not all come at once."""

FILTERS = ("project", "ref", "sha1", "kind", "last_event_id")

SHARED = 1024
"""Events whose text is remembered: as many as the listeners of one process are told while it goes around."""

ADVICE = "some changes may be missing: ask again for what you follow; the events go on from here"


@blueprint.get("/")
@answers(str, media=EVENTS, query=FILTERS)
async def get_events() -> Response:
    """Tell every change, those behind the id of Last-Event-ID first; a HEAD has the headers only."""
    wanted = _wanted()
    feed = shaman().store.feed
    seen = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    cursor = seen or await feed.now(wanted)
    body = b"" if request.method == "HEAD" else _stream(feed, wanted, cursor, known=bool(seen))
    response = Response(body, content_type="text/event-stream")
    response.headers.update({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
    if request.http_version.startswith("1"):
        response.headers["Connection"] = "close"
    response.timeout = None
    return response


def _wanted() -> Wanted:
    check_no_parameters(*FILTERS)
    named = {name: value for name, value in request.args.items() if value and name != "last_event_id"}
    for name in ("project", "ref"):
        if name in named:
            check_text(name, named[name])
    if "sha1" in named:
        check_sha1("sha1", named["sha1"])
    kind = named.get("kind")
    if kind is not None and kind not in KINDS:
        raise Invalid(f"kind: must be one of {', '.join(KINDS)}")
    if kind == "node" and len(named) > 1:
        raise Invalid("kind: a node has no project, ref or sha1")
    return Wanted(**named)


async def _stream(feed: Feed, wanted: Wanted, cursor: str, *, known: bool) -> AsyncIterator[bytes]:
    """Yield the stream: first something at once, as routers give up on who is silent, and an id to come back with."""
    yield b"retry: %d\n%b" % (random.randint(*COME_BACK), frame(Item(None, "" if known else cursor)))  # noqa: S311
    async with aclosing(feed.listen(wanted, cursor)) as items:
        async for item in items:
            yield frame(item)


def frame(item: Item) -> bytes:
    """Return an item as a stream has it. Without anything new it is a comment, and an id, which is no event."""
    if item.told is not None:
        return _event(item)
    return b":\nid: %b\n\n" % item.cursor.encode() if item.cursor else b":\n\n"


@lru_cache(SHARED)
def _event(item: Item) -> bytes:
    if isinstance(item.told, Told):
        kind, data = item.told.record.kind, item.told.data
    else:
        kind, data = "reset", msgspec.json.encode({"why": str(item.told), "advice": ADVICE})
    return b"event: %b\nid: %b\ndata: %b\n\n" % (kind.encode(), item.cursor.encode(), data)
