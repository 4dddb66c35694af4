"""The check of one project: its documents, every index, the change stream and the counters.

In this order, so that what is compared with is right by then: the types of the keys, the documents and what each calls
for, what is in the indexes without a document, the indexes made from other indexes, the change stream, the counters.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from redis.asyncio import Redis

from shaman.store import keys
from shaman.store.checking.kinds import BUILDS, REPOS, Kind
from shaman.store.checking.orders import name_unit, newest_unit, profile_unit, rank_unit
from shaman.store.checking.records import document_unit, entry_unit, identity_unit, row_unit
from shaman.store.checking.steps import Command, Fault, Steps, Unit, Verdict
from shaman.store.checking.stream import Stream
from shaman.store.checking.tree import TREE, Key
from shaman.store.scripts import FORGET_AFTER

_ENTRIES = {
    "modified": REPOS,
    "sha1:H": REPOS,
    "ref:R:cells": REPOS,
    "build-modified": BUILDS,
    "build-queued": BUILDS,
    "build-ref:R:sha1:H": BUILDS,
}
_IDENTITIES = {"identities": REPOS, "build-identities": BUILDS}


class Place(NamedTuple):
    """Where a record stands: what is made from indexes must be right there."""

    kind: str
    ref: str
    sha1: str
    status: str


class Project:
    """One project of a store; `counts` tells how many documents it has of each kind."""

    def __init__(self, client: Redis, steps: Steps, name: str, types: dict[Key, str], *, drop: bool) -> None:
        """Check the keys in `types` and what the documents call for; with `drop` unlink what the tree does not have."""
        self._steps = steps
        self._name = name
        self._types = types
        self._drop = drop
        self._stream = Stream(client, name)
        self._places: set[Place] = set()
        self._greatest: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    async def check(self) -> None:
        """Look at everything once."""
        for units in (
            iter([_listed_unit(self._name)]),  # alone, as it is in another slot of a cluster
            self._types_units(),
            self._document_units(REPOS),
            self._document_units(BUILDS),
            self._entry_units(),
            self._rank_units(),
            self._sha1_units(),
            self._name_units(),
            self._ref_units(),
            self._stream.broken_units(),
        ):
            await self._steps.run(units)
        await self._steps.run(self._stream.newest_units())
        await self._steps.run(self._counter_units())

    def _types_units(self) -> Iterator[Unit]:
        for key, kind in self._types.items():
            if not key.template:
                yield stranger_unit(key.name, drop=self._drop)
            elif TREE[key.template] not in {kind, "any"}:
                aside = f"{keys.aside(self._name)}:{keys.quoted(key.rest_of_name)}"
                yield type_unit(key.name, TREE[key.template], Command("RENAMENX", key.name, (aside,)))

    async def _document_units(self, kind: Kind) -> AsyncIterator[Unit]:
        async for number, document in self._steps.scan("HSCAN", kind.documents(self._name)):
            record = kind.read(self._name, document)
            if not isinstance(record, str):
                self._places.add(Place(kind.name, record.ref, record.sha1, record.status))
                self._greatest[kind.name] = max(self._greatest[kind.name], int(record.number))
                self.counts[kind.name] += 1
            yield document_unit(kind, self._name, number, document)

    async def _entry_units(self) -> AsyncIterator[Unit]:
        for key in self._types:
            if kind := _ENTRIES.get(key.template):
                async for member, _ in self._steps.scan("ZSCAN", key.name):
                    yield entry_unit(kind, self._name, key.name, member)
            elif kind := _IDENTITIES.get(key.template):
                async for digest, number in self._steps.scan("HSCAN", key.name):
                    yield identity_unit(kind, self._name, digest, number)
            elif key.template == "ref:R:rows":
                async for sha1, lines in self._steps.scan("HSCAN", key.name):
                    yield row_unit(REPOS, self._name, key.name, sha1, lines)

    async def _rank_units(self) -> AsyncIterator[Unit]:
        for ref, sha1, status in {place[1:] for place in self._places if place.kind == REPOS.name}:
            yield rank_unit(self._name, ref, sha1, None)
            yield rank_unit(self._name, ref, sha1, status)
            yield profile_unit(self._name, ref, sha1)
        async for key, member in self._members("ref:R:sha1s", "ref:R:sha1s:S"):
            yield rank_unit(self._name, key.ref, member, key.status or None)
        async for key, member in self._members("ref:R:profiles"):
            yield profile_unit(self._name, key.ref, member.rpartition(b"/")[2], member)

    async def _sha1_units(self) -> AsyncIterator[Unit]:
        for place in self._places:
            yield self._sha1_unit(place.kind, place.ref, place.sha1)
        async for key, member in self._members("sha1s", "build-ref:R:sha1s"):
            yield self._sha1_unit(REPOS.name if key.template == "sha1s" else BUILDS.name, key.ref, member)

    def _sha1_unit(self, kind: str, ref: str, sha1: str | bytes) -> Unit:
        if kind == REPOS.name:
            return newest_unit(keys.sha1s(self._name), sha1, keys.sha1_repos(self._name, _text(sha1)))
        return newest_unit(keys.build_sha1s(self._name, ref), sha1, keys.sha1_builds(self._name, ref, _text(sha1)))

    async def _name_units(self) -> AsyncIterator[Unit]:
        for place in self._places:
            yield self._name_unit(place.kind, place.ref, place.sha1)
        async for key, member in self._members("sha1-names:B"):
            known = keys.sha1_names(self._name, _text(member)) == key.name
            yield self._name_unit(REPOS.name, "", _text(member)) if known else name_unit(key.name, member, None)
        async for key, member in self._members("build-names"):
            sha1, _, ref = _text(member).partition("/")
            known = keys.build_name(sha1, unquote(ref)).encode() == member
            yield self._name_unit(BUILDS.name, unquote(ref), sha1) if known else name_unit(key.name, member, None)

    def _name_unit(self, kind: str, ref: str, sha1: str) -> Unit:
        if kind == REPOS.name:
            return name_unit(keys.sha1_names(self._name, sha1), sha1, keys.sha1_repos(self._name, sha1))
        source = keys.sha1_builds(self._name, ref, sha1)
        return name_unit(keys.build_names(self._name), keys.build_name(sha1, ref), source)

    async def _ref_units(self) -> AsyncIterator[Unit]:
        for place in self._places:
            for status in (None, place.status):
                yield self._ref_unit(place.kind, place.ref, status)
        async for key, member in self._members("refs", "refs:S", "build-refs"):
            kind = BUILDS.name if key.template == "build-refs" else REPOS.name
            yield self._ref_unit(kind, member, key.status or None)

    def _ref_unit(self, kind: str, ref: str | bytes, status: str | None) -> Unit:
        if kind == REPOS.name:
            return newest_unit(keys.refs(self._name, status), ref, keys.ref_sha1s(self._name, _text(ref), status))
        return newest_unit(keys.build_refs(self._name), ref, keys.build_sha1s(self._name, _text(ref)))

    async def _members(self, *templates: str) -> AsyncIterator[tuple[Key, bytes]]:
        for key in self._types:
            if key.template in templates:
                async for member, _ in self._steps.scan("ZSCAN", key.name):
                    yield key, member

    def _counter_units(self) -> Iterator[Unit]:
        for kind in (REPOS, BUILDS):
            greatest = max(self._greatest[kind.name], self._stream.greatest[kind.name])
            yield _counter_unit(kind.counter(self._name), greatest)
        for key in self._types:
            if key.template == "gone:D":
                yield _gone_unit(self._name, key)


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode(errors="replace")


def type_unit(name: str, wanted: str, mend: Command) -> Unit:
    """Return the check of the type of a key; `mend` takes one that has another out of the way."""

    def judge(replies: Sequence[Any]) -> Verdict:
        found = replies[0].decode()
        if found in {wanted, "none"}:
            return []
        return [Fault(key=name, wrong=f"is a {found}, not a {wanted}", mend=(mend,))]

    return Unit((Command("TYPE", name),), judge)


def stranger_unit(name: str, *, drop: bool) -> Unit:
    """Return the check of a key that is not in the tree; with `drop` it goes."""

    def judge(replies: Sequence[Any]) -> Verdict:
        if replies[0] == b"none":
            return []
        mend = (Command("UNLINK", name),) if drop else ()
        return [Fault(key=name, wrong="is no key of this version; `shaman reindex` drops it", mend=mend)]

    return Unit((Command("TYPE", name),), judge)


def _listed_unit(project: str) -> Unit:
    def judge(replies: Sequence[Any]) -> Verdict:
        if replies[0]:
            return []
        mend = (Command("SADD", keys.PROJECTS, (project,)),)
        return [Fault(key=keys.PROJECTS, member=project, wrong="is missing, and has keys", mend=mend)]

    return Unit((Command("SISMEMBER", keys.PROJECTS, (project,)),), judge)


def _counter_unit(key: str, greatest: int) -> Unit:
    def judge(replies: Sequence[Any]) -> Verdict:
        text = replies[0]
        if greatest <= int(text if text and text.isdigit() else 0) or (text is None and not greatest):
            return []
        wrong = "is missing" if text is None else f"is {text.decode(errors='replace')}"
        mend = (Command("SET", key, (greatest,)),)
        return [Fault(key=key, wrong=f"{wrong}, and the id {greatest} has been given out", mend=mend)]

    return Unit((Command("GET", key),), judge)


_TOMBSTONE = re.compile(rb"-?\d+(/\d+)?|/\d+")
"""The sender's time of a deletion and the store's; retention left the first alone in version 1."""


def _gone_unit(project: str, key: Key) -> Unit:
    try:
        digest = bytes.fromhex(key.rest)
    except ValueError:
        digest = b""
    reads = Command("GET", key.name), Command("TTL", key.name), Command("HEXISTS", keys.identities(project), (digest,))

    def judge(replies: Sequence[Any]) -> Verdict:
        text, left, is_there = replies
        if text is None:
            return []
        forget, expire = (Command("DEL", key.name),), (Command("EXPIRE", key.name, (FORGET_AFTER,)),)
        if len(digest) != keys.DIGEST or not _TOMBSTONE.fullmatch(text):
            return [Fault(key=key.name, wrong="is not the time of a deletion", mend=forget)]
        if is_there:
            return [Fault(key=key.name, wrong="tells of a deletion, and the record is there", mend=forget)]
        return [Fault(key=key.name, wrong="never expires", mend=expire)] if left < 0 else []

    return Unit(reads, judge)
