"""A typed function for each Lua file that writes builds: KEYS and ARGV follow its header there."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis

from shaman.store import keys
from shaman.store.batches import Batches, Script
from shaman.store.connection import ask
from shaman.store.scripts import STREAM_LENGTH, Call, call_each


class Wanted(Struct, frozen=True):
    """How a write finds the build that it means: by the digest of its identity, else queued at one of the places."""

    digest: bytes
    places: Sequence[str] = ("", "")


class OpenedBuild(Struct, frozen=True):
    """What a write needs to know: the clock, and the document of the build that is wanted (b"" if none)."""

    now: int
    document: bytes
    known_project: bool


class BuildPlace(Struct, frozen=True, kw_only=True):
    """Where a build stands in the indexes; `time` is its `modified`, `waits` its place if it is queued, else ""."""

    digest: bytes
    ref: str
    sha1: str
    time: int
    waits: str

    def arguments(self) -> list[str | bytes | int]:
        """Return the place as a script takes it."""
        return [self.digest, self.ref, self.sha1, keys.build_name(self.sha1, self.ref), self.time, self.waits]

    def keys(self, project: str) -> list[str]:
        """Return the two keys of the place, in the order of swap_build.lua."""
        return [keys.build_sha1s(project, self.ref), keys.sha1_builds(project, self.ref, self.sha1)]


class BuildSwap(Struct, frozen=True, kw_only=True):
    """One write of a build: what was read, what shall stand there instead, and the event that says so.

    `tail` is the new document from behind its id on, b"" to delete. The `id` of a new record is a wish: it gets
    another if that one is taken, and with 0 the next.
    """

    wanted: Wanted
    old_document: bytes
    old: BuildPlace | None
    tail: bytes
    new: BuildPlace | None
    event: bytes
    id: int = 0


class BuildScripts:
    """The scripts, registered once with a client."""

    def __init__(self, client: Redis, batches: Batches, writes: Batches) -> None:
        """Register every script with `client`, and call it in `batches`, or in `writes` if that is what it does."""
        self._client = client
        self._open_build = Script(client, batches, "open_build")
        self._swap_build = Script(client, writes, "swap_build")

    async def open_build(self, project: str, wanted: Wanted) -> OpenedBuild:
        """Read the build that is wanted, and the clock."""
        return _opened(await ask(partial(self._open_build, *_open_call(project, wanted))))

    async def open_builds(self, project: str, wanted: Sequence[Wanted]) -> list[OpenedBuild]:
        """Read many builds in one round trip."""
        calls = [_open_call(project, each) for each in wanted]
        return [_opened(answer) for answer in await call_each(self._client, self._open_build, calls)]

    async def swap_build(self, project: str, swap: BuildSwap) -> int | None:
        """Write and return the id of the record, or None: read it again."""
        answer = await ask(partial(self._swap_build, *_swap_call(project, swap)))
        return int(answer) if answer else None

    async def swap_builds(self, project: str, swaps: Sequence[BuildSwap]) -> list[int | None]:
        """Make many writes in one round trip, each for itself; what each returns."""
        answers = await call_each(self._client, self._swap_build, [_swap_call(project, swap) for swap in swaps])
        return [int(answer) if answer else None for answer in answers]


def _open_call(project: str, wanted: Wanted) -> Call:
    names = [
        keys.builds(project),
        keys.next_build_id(project),
        keys.build_identities(project),
        keys.build_queued(project),
    ]
    return names, [wanted.digest, *wanted.places]


def _opened(answer: Any) -> OpenedBuild:
    seconds, micros, document, known = answer
    return OpenedBuild(int(seconds) * 1_000_000 + int(micros), document, bool(known))


def _swap_call(project: str, swap: BuildSwap) -> Call:
    old, new = swap.old or swap.new, swap.new or swap.old
    if old is None or new is None:
        raise ValueError("a write has an old record or a new one")
    names = [
        keys.builds(project),
        keys.next_build_id(project),
        keys.build_identities(project),
        keys.build_queued(project),
        keys.build_modified(project),
        keys.build_refs(project),
        keys.changes(project),
        keys.build_names(project),
        *old.keys(project),
        *new.keys(project),
    ]
    arguments = [
        swap.wanted.digest,
        *swap.wanted.places,
        swap.old_document,
        swap.tail,
        swap.id or "",
        *old.arguments(),
        *new.arguments(),
        swap.event,
        STREAM_LENGTH,
        keys.CHANNEL,
    ]
    return names, arguments
