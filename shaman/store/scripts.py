"""A typed function for each Lua file: KEYS and ARGV follow its header there."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Literal

from msgspec import Struct
from redis import exceptions
from redis.asyncio import Redis

from shaman.store import keys
from shaman.store.batches import Batches, Script
from shaman.store.connection import ask
from shaman.store.wakeups import Tag, named

STREAM_LENGTH = 10_000
"""Entries a change stream keeps: days of a busy project, about 3 MB."""

FORGET_AFTER = 30 * 24 * 3600
"""Seconds a deletion that its sender dated is remembered: a late callback must not bring the record back."""

LATEST = 3600
"""Seconds any deletion is remembered for: no network holds a command back as long, one that its sender gave up on."""

COMMON_BUDGET = 100
"""Profiles looked at in one call: under 2 ms of the store's time. Hardly a ref has so many."""


COMMON_CALLS = 50
"""Calls that one question may take, as each change of the project lets it begin anew; then one has no bound."""

UNBOUNDED = 10**9
"""More profiles than there are."""

Call = tuple[list[str], list[str | bytes | int]]
"""KEYS and ARGV."""

Kind = Literal["ref", "sha1"]
"""What the name in a question turned out to be."""


class Opened(Struct, frozen=True):
    """What a write needs to know: the clock, the identity's document (b"" if none), what is left of a deleted one."""

    now: int
    document: bytes
    tombstone: bytes
    known_project: bool

    @property
    def gone(self) -> int | None:
        """The sender's time of the deletion, if the record was deleted and the time told."""
        sent, _, _ = self.tombstone.partition(b"/")
        return int(sent) if sent else None


class Place(Struct, frozen=True, kw_only=True):
    """Where a record stands in the indexes; `time` is its `modified`."""

    ref: str
    sha1: str
    status: str
    cell: str
    time: int

    def arguments(self) -> list[str]:
        """Return the place as a script takes it."""
        return [self.ref, self.sha1, self.cell, f"{self.time:016d}"]

    def keys(self, project: str) -> list[str]:
        """Return the six keys of the place, in the order of swap_repo.lua."""
        return [
            keys.refs(project),
            keys.refs(project, self.status),
            keys.ref_sha1s(project, self.ref),
            keys.ref_sha1s(project, self.ref, self.status),
            keys.cells(project, self.ref),
            keys.rows(project, self.ref),
        ]


class Swap(Struct, frozen=True, kw_only=True):
    """One write of a repo: what was read, what shall stand there instead, and the event that says so.

    `tail` is the new document from behind its id on, b"" to delete, which leaves `tombstone`, and that for a long time
    if its sender told when; `old_tombstone` is the one that was read.
    The `id` of a new record is a wish, of a restored one: it gets another if that one is taken, and with 0 the next.
    """

    digest: bytes
    old_document: bytes
    old: Place | None
    tail: bytes
    new: Place | None
    event: bytes
    id: int = 0
    tombstone: str = ""
    old_tombstone: bytes = b""

    def refs(self) -> list[str]:
        """Return the refs that the write touches."""
        return [place.ref for place in (self.old, self.new) if place]

    def sha1s(self) -> list[str]:
        """Return the sha1s that the write touches."""
        return [place.sha1 for place in (self.old, self.new) if place]


class Scripts:
    """The scripts, registered once with a client; it loads one again where the server has lost it."""

    def __init__(self, client: Redis, batches: Batches, writes: Batches) -> None:
        """Register every script with `client`, and call it in `batches`, or in `writes` if that is what it does."""
        self._client = client
        self._open_repo = Script(client, batches, "open_repo")
        self._swap_repo = Script(client, writes, "swap_repo")
        self._list_project = Script(client, writes, "list_project")
        self._find_newest_repos = Script(client, batches, "find_newest_repos")
        self._find_sha1_repos = Script(client, batches, "find_sha1_repos")
        self._find_ref_repos = Script(client, batches, "find_ref_repos")
        self._find_cells = Script(client, batches, "find_cells")
        self._find_members = Script(client, batches, "find_members")
        self._find_common_repos = Script(client, batches, "find_common_repos")

    async def open_repo(self, project: str, digest: bytes) -> Opened:
        """Read the record of an identity, and the clock."""
        return _opened(await ask(partial(self._open_repo, *_open_call(project, digest))))

    async def open_repos(self, project: str, digests: Sequence[bytes]) -> list[Opened]:
        """Read the records of many identities in one round trip."""
        answers = await call_each(self._client, self._open_repo, [_open_call(project, digest) for digest in digests])
        return [_opened(answer) for answer in answers]

    async def list_project(self, project: str) -> None:
        """Note that a project may have records, even where the store is full: a deletion may be the first of it."""
        await ask(partial(self._list_project, [keys.PROJECTS], [project]))

    async def swap_repo(self, project: str, swap: Swap) -> int | None:
        """Write and return the id of the record (0: nothing was there to delete), or None: read it again."""
        answer = await ask(partial(self._swap_repo, *_swap_call(project, swap)))
        return int(answer) if answer else None

    async def swap_repos(self, project: str, swaps: Sequence[Swap]) -> list[int | None]:
        """Make many writes in one round trip, each for itself; what each returns."""
        answers = await call_each(self._client, self._swap_repo, [_swap_call(project, swap) for swap in swaps])
        return [int(answer) if answer else None for answer in answers]

    async def find_newest_repos(
        self, project: str, name: str, status: str, terms: Sequence[str]
    ) -> tuple[Kind, list[bytes]]:
        """Find the newest repo of each cell of the ref `name`; every repo of the sha1 `name` where no such ref is."""
        names = [keys.repos(project), keys.cells(project, name), keys.sha1_repos(project, name)]
        kind, *documents = await ask(
            partial(self._find_newest_repos, names, [keys.quoted(status), *terms]),
            reads=named("repo", project, ref=name, sha1=name),
        )
        return _kind(kind), documents

    async def find_sha1_repos(self, project: str, ref: str, sha1: str, terms: Sequence[str]) -> list[bytes]:
        """Find the repos of a sha1 in a ref that match a term."""
        names = [keys.repos(project), keys.rows(project, ref)]
        documents: list[bytes] = await ask(
            partial(self._find_sha1_repos, names, [sha1, *terms]), reads=named("repo", project, ref=ref)
        )
        return documents

    async def find_ref_repos(
        self, project: str, ref: str, status: str, limit: int, terms: Sequence[str]
    ) -> list[bytes] | None:
        """Find every repo of a ref that matches a term; None if there are more than `limit`."""
        names = [keys.repos(project), keys.cells(project, ref)]
        arguments: list[str | int] = [keys.quoted(status), limit, *terms]
        kind, *documents = await ask(
            partial(self._find_ref_repos, names, arguments), reads=named("repo", project, ref=ref)
        )
        return documents if kind == b"all" else None

    async def find_cells(self, project: str, ref: str, status: str, terms: Sequence[str]) -> list[bytes]:
        """Find the cells of a ref that match a term."""
        arguments = [keys.quoted(status), *terms]
        cells: list[bytes] = await ask(
            partial(self._find_cells, [keys.cells(project, ref)], arguments), reads=named("repo", project, ref=ref)
        )
        return cells

    async def find_members(self, documents: str, members: str, reads: Collection[Tag]) -> list[bytes]:
        """Find the documents whose ids are in the sorted set `members`, the greatest score first."""
        found: list[bytes] = await ask(partial(self._find_members, [documents, members]), reads=reads)
        return found

    async def find_common_repos(
        self, project: str, name: str, status: str, terms: Sequence[str]
    ) -> tuple[Kind, list[bytes]]:
        """Find the repos of the newest sha1 of the ref `name` that has a match for every term, or as above."""
        names = [
            keys.repos(project),
            keys.rows(project, name),
            keys.ref_sha1s(project, name, status),
            keys.profiles(project, name),
            keys.sha1_repos(project, name),
            keys.changes(project),
        ]
        position: Sequence[bytes | str] = ("", "", "", "", "")
        reads = named("repo", project, ref=name, sha1=name)
        calls = 0
        while True:
            budget = COMMON_BUDGET if calls < COMMON_CALLS else UNBOUNDED
            call = partial(self._find_common_repos, names, [budget, *position, *terms])
            kind, *rest = await ask(call, reads=reads)
            if kind != b"more":
                return _kind(kind), rest
            position, calls = rest, calls + 1


async def call_each(client: Redis, script: Script, calls: Sequence[Call]) -> list[Any]:
    """Call a script many times in one round trip; the client makes sure first that the server has it."""

    async def execute() -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for names, arguments in calls:
            await script.registered(names, arguments, client=pipeline)
        answers: list[Any] = await pipeline.execute()
        return answers

    async def execute_with_script() -> list[Any]:
        try:
            return await execute()
        except exceptions.NoScriptError:  # lost since, or the keys are at another node now; no call harms twice
            return await execute()

    return await ask(execute_with_script) if calls else []


def _open_call(project: str, digest: bytes) -> Call:
    return [keys.repos(project), keys.identities(project), keys.gone(project, digest), keys.next_id(project)], [digest]


def _opened(answer: Any) -> Opened:
    seconds, micros, document, gone, known = answer
    return Opened(
        now=int(seconds) * 1_000_000 + int(micros),
        document=document,
        tombstone=gone,
        known_project=bool(known),
    )


def _swap_call(project: str, swap: Swap) -> Call:
    old, new = swap.old or swap.new, swap.new or swap.old
    if old is None or new is None:
        old = new = Place(ref="", sha1="", status="", cell="", time=0)
    names = [
        keys.repos(project),
        keys.next_id(project),
        keys.identities(project),
        keys.gone(project, swap.digest),
        keys.modified(project),
        keys.sha1s(project),
        keys.changes(project),
        *old.keys(project),
        *new.keys(project),
        keys.sha1_repos(project, old.sha1),
        keys.sha1_repos(project, new.sha1),
        keys.profiles(project, old.ref),
        keys.profiles(project, new.ref),
        keys.sha1_names(project, old.sha1),
        keys.sha1_names(project, new.sha1),
    ]
    arguments = [
        swap.digest,
        swap.old_document,
        swap.tail,
        swap.id or "",
        *old.arguments(),
        *new.arguments(),
        swap.tombstone,
        LATEST if swap.tombstone.startswith("/") else FORGET_AFTER,
        swap.old_tombstone,
        swap.event,
        STREAM_LENGTH,
        keys.CHANNEL,
    ]
    return names, arguments


def _kind(name: bytes) -> Kind:
    return "ref" if name == b"ref" else "sha1"
