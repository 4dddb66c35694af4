"""Complete lists of any length: first every id, then the documents page by page.

The ids are gathered in steps, so that the store serves others in between. Meanwhile records change and move within
the indexes; the change stream tells which, and those are added from it. As an id never changes, a record that exists
from the first step to the last is in the list exactly once.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from shaman.errors import Unavailable
from shaman.models import Build, Repo
from shaman.store import keys
from shaman.store.connection import ask
from shaman.store.documents import Documents, damaged
from shaman.store.repos import Pattern
from shaman.store.scripts import STREAM_LENGTH, Scripts
from shaman.store.wakeups import named

PAGE = 500
"""Documents in one reply: about 300 KB and 1 ms of the store's time."""

STEP = 2000
"""Ids gathered in one reply: under 1 ms of the store's time."""

ATTEMPTS = 5
"""How often a list is begun anew when the stream has lost its beginning: ten thousand writes during one list."""

_decoder = Documents(Repo)
_build_decoder = Documents(Build)


class _Event(Struct, frozen=True):
    """As much of a change event as a list needs."""

    id: int
    kind: str
    modified: int


_event_decoder = msgspec.json.Decoder(_Event)


class Entry(Struct, frozen=True, order=True):
    """Where a record stands in a list: newest first is the reverse of this order."""

    modified: int
    id: int
    project: str


class Snapshots:
    """Lists of all repos or builds of a project, or of the repos of a ref."""

    def __init__(self, client: Redis, scripts: Scripts) -> None:
        """Use `client`."""
        self._client = client
        self._scripts = scripts

    async def entries(
        self, project: str, ref: str | None, status: str | None, patterns: Sequence[Pattern]
    ) -> list[Entry]:
        """List where the repos of a project stand, or of a ref those that match one of the patterns; newest first.

        Those that changed meanwhile are listed whether they match or not. Raises Unavailable if the store is away.
        """
        if ref is None:
            return await self._gather("repo", project, lambda: self._by_time("repo", project))
        return await self._gather("repo", project, lambda: self._by_cell(project, ref, status, patterns))

    async def build_entries(self, project: str) -> list[Entry]:
        """List where the builds of a project stand, newest first. Raises Unavailable if the store is away."""
        return await self._gather("build", project, lambda: self._by_time("build", project))

    async def builds(self, entries: Sequence[Entry]) -> AsyncIterator[list[Build]]:
        """Yield the builds at `entries`, of one project, page by page, in that order, without those that are gone."""
        for first in range(0, len(entries), PAGE):
            page = entries[first : first + PAGE]
            names = [str(entry.id) for entry in page]
            documents: list[Any] = await ask(
                partial(self._client.hmget, keys.builds(page[0].project), names), reads=named("build", page[0].project)
            )
            await self._check_gone("build", page[0].project, names, documents)
            yield [_build_decoder.decode(document) for document in documents if document is not None]

    async def repos(self, entries: Sequence[Entry]) -> AsyncIterator[list[Repo]]:
        """Yield the repos at `entries` page by page, in that order, without those that are gone."""
        for first in range(0, len(entries), PAGE):
            page = entries[first : first + PAGE]
            found: dict[Entry, bytes | None] = {}
            for project in dict.fromkeys(entry.project for entry in page):
                wanted = [entry for entry in page if entry.project == project]
                names = [str(entry.id) for entry in wanted]
                documents: list[Any] = await ask(
                    partial(self._client.hmget, keys.repos(project), names), reads=named("repo", project)
                )
                await self._check_gone("repo", project, names, documents)
                found |= dict(zip(wanted, documents, strict=True))
            yield [_decoder.decode(document) for entry in page if (document := found[entry]) is not None]

    async def _check_gone(self, kind: str, project: str, names: Sequence[str], documents: Sequence[Any]) -> None:
        """Raise Damaged if a document is missing and has not gone together with its place in the indexes."""
        members = _members(kind, project)
        for name, document in zip(names, documents, strict=True):
            if document is not None:
                continue
            score: Any = await ask(partial(self._client.zscore, members, name), reads=named(kind, project))
            if score is not None:
                raise damaged(f"{members} names {kind} {name}, which is not there")

    async def _gather(self, kind: str, project: str, rows: Callable[[], AsyncIterator[tuple[int, int]]]) -> list[Entry]:
        """List every row, and where those of its kind stand now that have changed meanwhile; newest first."""
        for _ in range(ATTEMPTS):
            mark = await self._last_change(kind, project)
            try:
                gathered = {number: time async for time, number in rows()}
            except ValueError as error:
                raise damaged(f"an index of {project} has {error}") from error
            changed = await self._changed_since(kind, project, mark)
            if changed is not None:
                gathered |= changed
                entries = [Entry(modified=time, id=number, project=project) for number, time in gathered.items()]
                return sorted(entries, reverse=True)
        raise Unavailable("the project is written to faster than it can be listed")

    async def _by_time(self, kind: str, project: str) -> AsyncIterator[tuple[int, int]]:
        """Yield time and id of every repo or build. Those of one time may be more than a step: it grows."""
        members = _members(kind, project)
        before, step = "+inf", STEP
        while True:
            by_score = partial(self._client.zrange, members, before, "-inf", desc=True, byscore=True, withscores=True)
            question = partial(by_score, offset=0, num=step)
            rows: list[Any] = await ask(question, reads=named(kind, project))
            for number, time in rows:
                yield int(time), int(number)
            if len(rows) < step:
                return
            after = str(int(rows[-1][1]))
            step = STEP if after != before else step * 2
            before = after

    async def _by_cell(
        self, project: str, ref: str, status: str | None, patterns: Sequence[Pattern]
    ) -> AsyncIterator[tuple[int, int]]:
        """Yield time and id of every repo of the cells that match."""
        name = keys.cells(project, ref)
        for cell in await self._scripts.find_cells(project, ref, status or "", [each.term() for each in patterns]):
            after, end = b"[" + cell + b"/", b"(" + cell + b"0"
            while True:
                question = partial(self._client.zrange, name, after, end, bylex=True, offset=0, num=STEP)
                rows: list[Any] = await ask(question, reads=named("repo", project, ref=ref))
                for row in rows:
                    _, time, number = row.rsplit(b"/", 2)
                    yield int(time), int(number)
                if len(rows) < STEP:
                    break
                after = b"(" + rows[-1]

    async def _last_change(self, kind: str, project: str) -> bytes:
        last: Any = await ask(
            partial(self._client.xrevrange, keys.changes(project), count=1), reads=named(kind, project)
        )
        return last[0][0] if last else b""

    async def _changed_since(self, kind: str, project: str, mark: bytes) -> dict[int, int] | None:
        """Return id -> time of the records of a kind that changed after `mark`; None if the stream begins later."""
        changes: Any = await ask(
            partial(self._client.xrange, keys.changes(project), mark or b"-"), reads=named(kind, project)
        )
        begins = changes[0][0] == mark if changes and mark else not mark
        if not begins or (not mark and len(changes) >= STREAM_LENGTH):
            return None
        events = [_event_decoder.decode(fields[b"event"]) for _, fields in changes]
        return {event.id: event.modified for event in events if event.kind == kind}


def _members(kind: str, project: str) -> str:
    return keys.modified(project) if kind == "repo" else keys.build_modified(project)
