"""Whole answers kept in the process, in front of the framework; handlers know nothing of it.

An answer is kept with the tags of what it was made from, and dropped with the first change of any of them. It is only
given while every change is heard of. Errors, streams, and what was asked for with credentials are never kept.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection
from hashlib import sha256
from http import HTTPStatus

from msgspec import Struct

from shaman.store.wakeups import Tag, Wakeups, note_read, noting_reads
from shaman.web.held import App, Held, Message, Receive, Scope, Send
from shaman.web.telemetry import UNKNOWN, asked

ENTRY_OVERHEAD = 1500
"""Bytes that keeping an answer costs beside its body and key: headers and objects."""

REMEMBERED = 20_000
"""Questions that are known to have been asked before, twice over: 64 bits each, and what a set takes for them."""

TAG_OVERHEAD = 300
"""Bytes of a tag and its place in the index."""

ETAG_DIGITS = 24
"""Hexadecimal digits of an ETag, of a hash that processors have instructions for: two answers never share one."""

KEPT_STATUSES = frozenset({200, 302})
"""Answers that stay the same until a record changes; errors stay out, however often they are asked for."""

NEVER_KEPT = frozenset({b"authorization", b"transfer-encoding"})
"""Headers of a question that is not answered from memory: the application looks at what they say."""

PAGED = "/repos/"
"""Beginning of the paths that have a page beside their JSON: who names HTML is not answered from memory there."""

BODY_HEADERS = frozenset({b"content-length", b"content-type"})
"""Headers that a 304 has not; the framework sends names in lower case."""

Headers = tuple[tuple[bytes, bytes], ...]
Key = tuple[bytes, bytes]
"""Path and query as they were sent; what a client accepts decides how errors are told, and which of PAGED it gets."""


class Answer(Struct, frozen=True, gc=False):
    """A whole answer, and the tags of what it was made from; nothing of it needs a collector of garbage.

    So many are kept that the collector would stop the worker for a tenth of a second if it went over them.
    """

    status: int
    headers: Headers
    body: bytes
    etag: bytes
    tags: tuple[Tag, ...] = ()
    route: str = UNKNOWN

    def size(self, key: Key) -> int:
        """Return the bytes that it takes to keep."""
        return sum(map(len, key)) + len(self.body) + len(self.tags) * TAG_OVERHEAD + ENTRY_OVERHEAD


class AnswerCache:
    """An ASGI application that answers from memory what `app` has answered before, as long as it is still so.

    What is asked for the first time is not kept: keeping costs more than asking the store again, and who walks through
    all refs once should not drive out what is asked again and again.
    """

    def __init__(self, app: App, wakeups: Wakeups, limit: int) -> None:
        """Keep at most `limit` bytes of answers, those asked for last."""
        self._app = app
        self._wakeups = wakeups
        self._limit = limit
        self.size = self.hits = self.misses = self.drops = self.evictions = 0
        self._asked = _Asked()
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._keys_of: defaultdict[Tag, set[Key]] = defaultdict(set)
        wakeups.on_change(self._drop)

    def __len__(self) -> int:
        """Tell how many answers are kept."""
        return len(self._answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or not scope.get("raw_path"):
            await self._app(scope, receive, send)
            return
        none_match = b""
        for name, value in scope["headers"]:
            if name in NEVER_KEPT or (name == b"accept" and _may_be_a_page(scope, value)):
                await self._app(scope, receive, send)
                return
            if name == b"if-none-match":
                none_match = value
        key = (scope["raw_path"], scope["query_string"])
        answer = self._find(key)
        if answer is not None:
            self.hits += 1
            if now := asked.get():
                now.route, now.from_memory = answer.route, True
            await _send(answer, scope["method"], none_match, send)
        else:
            await self._make(key, none_match, scope, receive, send)

    def _find(self, key: Key) -> Answer | None:
        answer = self._answers.get(key)
        if answer is None or not self._wakeups.trusted() or self._wakeups.in_writing(answer.tags):
            return None
        note_read(answer.tags)
        self._answers.move_to_end(key)
        return answer

    async def _make(self, key: Key, none_match: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        moment, trusted, held = self._wakeups.now, self._wakeups.trusted(), Held(send, _may_be_kept)
        with noting_reads() as made_from:
            await self._app(scope, receive, held.send)
        whole = held.whole()
        if whole is None:
            return
        answer = _answer(*whole, made_from.tags)
        if made_from.complete and made_from.tags:
            self.misses += 1
            if self._asked.before(key) and trusted:
                self._keep(key, answer, moment)
        await _send(answer, scope["method"], none_match, send)

    def _keep(self, key: Key, answer: Answer, moment: int) -> None:
        tags = answer.tags
        if not self._wakeups.trusted() or self._wakeups.in_writing(tags) or self._wakeups.changed_since(tags, moment):
            return
        other = self._answers.get(key)
        if other is not None:
            # Both were in the making at the same time. If they differ, nobody knows which is the newer.
            if other.body != answer.body:
                self._remove(key)
            return
        self._answers[key] = answer
        self.size += answer.size(key)
        for tag in tags:
            self._keys_of[tag].add(key)
        while self.size > self._limit:
            self._remove(next(iter(self._answers)))
            self.evictions += 1

    def _drop(self, tags: Collection[Tag] | None) -> None:
        if tags is None:
            self.drops += len(self._answers)
            self._answers.clear()
            self._keys_of.clear()
            self.size = 0
            return
        for tag in tags:
            for key in list(self._keys_of.get(tag, ())):
                self._remove(key)
                self.drops += 1

    def _remove(self, key: Key) -> None:
        answer = self._answers.pop(key)
        self.size -= answer.size(key)
        for tag in answer.tags:
            keys = self._keys_of[tag]
            keys.discard(key)
            if not keys:
                del self._keys_of[tag]


class _Asked:
    """The questions asked lately, as far as their hashes tell them apart."""

    def __init__(self) -> None:
        self._lately: set[int] = set()
        self._earlier: set[int] = set()

    def before(self, key: Key) -> bool:
        """Tell whether a question has been asked before, and take note of it."""
        question = hash(key)
        if question in self._lately:
            return True
        if len(self._lately) >= REMEMBERED:
            self._lately, self._earlier = set(), self._lately
        self._lately.add(question)
        return question in self._earlier


def _may_be_a_page(scope: Scope, accept: bytes) -> bool:
    return b"text/html" in accept.lower() and f"{scope['path']}/".startswith(PAGED)


def _may_be_kept(start: Message) -> bool:
    return start["status"] in KEPT_STATUSES and all(name != b"cache-control" for name, _ in start["headers"])


def _answer(start: Message, body: bytes, tags: Collection[Tag]) -> Answer:
    etag = b'"%b"' % sha256(body).hexdigest()[:ETAG_DIGITS].encode()
    headers = (*start["headers"], (b"etag", etag), (b"cache-control", b"no-cache"))
    now = asked.get()
    route = now.route if now else UNKNOWN
    return Answer(status=start["status"], headers=headers, body=body, etag=etag, tags=tuple(tags), route=route)


async def _send(answer: Answer, method: str, none_match: bytes, send: Send) -> None:
    status, headers, body = answer.status, answer.headers, answer.body
    if none_match and answer.status == HTTPStatus.OK and _matches(none_match, answer.etag):
        status, body = HTTPStatus.NOT_MODIFIED, b""
        headers = tuple(header for header in headers if header[0] not in BODY_HEADERS)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _matches(none_match: bytes, etag: bytes) -> bool:
    """Compare weakly, as RFC 9110 says for If-None-Match."""
    if none_match == etag:
        return True
    named = {name.strip().removeprefix(b"W/") for name in none_match.split(b",")}
    return etag in named or b"*" in named
