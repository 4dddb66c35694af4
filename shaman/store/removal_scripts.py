"""A typed function for the script that removes a sha1 from a ref: KEYS and ARGV follow its header there."""

from collections.abc import Sequence
from enum import Enum
from functools import partial

from msgspec import Struct
from redis.asyncio import Redis

from shaman.models import READY
from shaman.retention import Demand
from shaman.store import keys
from shaman.store.batches import Argument, Batches, Script
from shaman.store.connection import ask
from shaman.store.scripts import FORGET_AFTER, LATEST, STREAM_LENGTH, Place

LOG_LENGTH = 10_000
"""Entries that the log of a project keeps: about 2 MB."""


class RepoRemoval(Struct, frozen=True, kw_only=True):
    """What goes with a repo: its identity and its place, the event that says so, the sender's time to remember."""

    id: int
    digest: bytes
    place: Place
    event: bytes
    sent: int | None

    def keys(self, project: str) -> list[str]:
        """Return the keys that are its own, in the order of remove_sha1.lua."""
        refs = keys.refs(project, self.place.status)
        return [refs, keys.ref_sha1s(project, self.place.ref, self.place.status), keys.gone(project, self.digest)]

    def arguments(self) -> list[Argument]:
        """Return the repo as the script takes it."""
        member = f"{self.place.cell}/{self.place.time:016d}/{self.id}"
        return [self.id, self.digest, member, "" if self.sent is None else self.sent, self.event]


class Sha1Removal(Struct, frozen=True, kw_only=True):
    """The repos of a sha1 in a ref as they were read, and what the rules want of the ref before they may go.

    `build` is the time of its newest build, `modified` that of its newest record, `entry` what the log says.
    """

    ref: str
    sha1: str
    repos: Sequence[RepoRemoval]
    build: int | None
    modified: int
    demand: Demand
    entry: bytes


class Answer(Enum):
    """What became of a removal; CHANGED: read it again."""

    REMOVED = b"removed"
    CHANGED = b"changed"
    KEPT = b"kept"


class RemovalScripts:
    """The script, registered once with a client."""

    def __init__(self, client: Redis, batches: Batches) -> None:
        """Register it with `client`, and call it in `batches`."""
        self._remove_sha1 = Script(client, batches, "remove_sha1")

    async def remove_sha1(self, project: str, removal: Sha1Removal) -> Answer:
        """Remove the repos of a sha1 from a ref together, unless they have changed or the ref has too few newer."""
        names = [
            keys.repos(project),
            keys.identities(project),
            keys.modified(project),
            keys.sha1s(project),
            keys.changes(project),
            keys.removals(project),
            keys.refs(project),
            keys.ref_sha1s(project, removal.ref),
            keys.cells(project, removal.ref),
            keys.rows(project, removal.ref),
            keys.profiles(project, removal.ref),
            keys.build_sha1s(project, removal.ref),
            keys.sha1_repos(project, removal.sha1),
            keys.ref_sha1s(project, removal.ref, READY),
            keys.sha1_names(project, removal.sha1),
            *(name for repo in removal.repos for name in repo.keys(project)),
        ]
        arguments: list[Argument] = [
            removal.ref,
            removal.sha1,
            removal.build or 0,
            removal.modified,
            removal.demand.newer,
            removal.demand.newer_ready,
            removal.entry,
            LOG_LENGTH,
            STREAM_LENGTH,
            keys.CHANNEL,
            FORGET_AFTER,
            LATEST,
            *(argument for repo in removal.repos for argument in repo.arguments()),
        ]
        return Answer(await ask(partial(self._remove_sha1, names, arguments)))
