"""Repos in the store: documents in and out, one round trip for each question."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from redis.asyncio import Redis

from shaman.distros import Releases, canonical_arch
from shaman.errors import Unavailable
from shaman.merge import PostRules, Removed, Unchanged, merge_repo, repo_identity, repo_identity_of
from shaman.models import PostedRepo, Repo
from shaman.store import keys
from shaman.store.batches import Batches
from shaman.store.connection import ask
from shaman.store.documents import Documents, damaged, text_of
from shaman.store.names import newest_names
from shaman.store.prefixes import find_prefix
from shaman.store.scripts import Kind, Opened, Scripts
from shaman.store.swaps import swap_of
from shaman.store.turns import Turns
from shaman.store.wakeups import Tag, Wakeups, named, tags_of

WRITE_ATTEMPTS = 64
"""How often a write is tried while others write the same record: as many writers may come at once."""

AT_ONCE = 500
"""Repos told in one reply of the store: about 300 KB and 2 ms of its time. More are told page by page."""

_decoder = Documents(Repo)


class Outcome(Enum):
    """What a POST did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


class Pattern(Struct, frozen=True, kw_only=True):
    """What a repo is built for, as far as a question names it: version and arch canonical, None matches anything."""

    status: str | None = None
    flavor: str | None = None
    distro: str | None = None
    version: str | None = None
    arch: str | None = None

    def matches(self, repo: Repo) -> bool:
        """Tell whether a repo is meant, for one of its archs at least."""
        return (
            (self.status is None or self.status == repo.status)
            and (self.flavor is None or self.flavor == repo.flavor)
            and (self.distro is None or self.distro == repo.distro)
            and (self.version is None or self.version == repo.version)
            and (self.arch is None or self.arch in map(canonical_arch, repo.archs))
        )

    def term(self) -> str:
        """Return the pattern as the scripts take it."""
        parts = (self.status, self.flavor, self.distro, self.version, self.arch)
        return "/".join("" if part is None else keys.quoted(part) for part in parts)


class Repos:
    """The repos of every project."""

    def __init__(
        self, client: Redis, batches: Batches, writes: Batches, scripts: Scripts, releases: Releases, wakeups: Wakeups
    ) -> None:
        """Use `releases` to know which versions are the same; tell `wakeups` of what is written."""
        self._client = client
        self._batches = batches
        self._writes = writes
        self._scripts = scripts
        self._releases = releases
        self._wakeups = wakeups
        self._turns = Turns()

    async def put(self, project: str, posted: PostedRepo, rules: PostRules) -> tuple[Outcome, Repo | None]:
        """Merge `posted` into the record of its identity and write it: one read and one script call.

        Returns what happened and the record as it is now (as it was, if deleted; None if it was not there).
        Raises Invalid for a missing field, Unavailable if the store is away.
        """
        digest = keys.digest(*repo_identity(project, posted, self._releases))
        async with self._turns.take((project, digest)):
            return await self._put(project, digest, posted, rules)

    async def _put(
        self, project: str, digest: bytes, posted: PostedRepo, rules: PostRules
    ) -> tuple[Outcome, Repo | None]:
        for _ in range(WRITE_ATTEMPTS):
            opened = await self._scripts.open_repo(project, digest)
            old = _decoder.decode(opened.document) if opened.document else None
            if old and keys.digest(*repo_identity_of(old)) != digest:
                raise damaged(f"{keys.identities(project)} names repo {old.id} for another one")
            merged = merge_repo(
                old, posted, project=project, rules=rules, releases=self._releases, now=opened.now, gone=opened.gone
            )
            if isinstance(merged, Unchanged):
                if self._writes.replicas and not await self._confirm(project, digest, opened, old):
                    continue
                # Perhaps another process has just written this, and its wake-up is still on the way.
                await self._wakeups.catch_up()
                return Outcome.UNCHANGED, old
            if not opened.known_project:
                await self._scripts.list_project(project)
            swap = swap_of(digest, opened, old, merged)
            with self._wakeups.writing(tags_of("repo", project, swap.refs(), swap.sha1s())):
                new_id = await self._scripts.swap_repo(project, swap)
            if new_id is None:
                continue
            if isinstance(merged, Removed):
                if old is None:
                    await self._wakeups.catch_up()
                return Outcome.DELETED, old
            return (Outcome.UPDATED if old else Outcome.CREATED), replace(merged, id=new_id)
        raise Unavailable("the record is being written by too many at once")

    async def projects(self, status: str | None) -> list[str]:
        """List the projects that have a repo with `status` (any, if None), the one built last first."""
        names = _names(await ask(partial(self._batches.call, "SMEMBERS", keys.PROJECTS), reads=[("repo",)]))

        async def newest() -> list[list[tuple[bytes, float]]]:
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.zrange(keys.refs(name, status), 0, 0, desc=True, withscores=True)
            return await pipeline.execute()

        newest_refs = zip(names, await ask(newest, reads=[("repo",)]) if names else [], strict=True)
        dated = [(refs[0][1], name) for name, refs in newest_refs if refs]
        return [name for _, name in sorted(dated, reverse=True)]

    async def refs(self, project: str, status: str | None) -> list[str]:
        """List the refs that have a repo with `status` (any, if None), the one built last first."""
        return await self._list(project, keys.refs(project, status), named("repo", project))

    async def sha1s(self, project: str, ref: str, status: str | None) -> list[str]:
        """List the sha1s of a ref that have a repo with `status` (any, if None), the one built last first."""
        return await self._list(project, keys.ref_sha1s(project, ref, status), named("repo", project, ref=ref))

    async def find_sha1(self, project: str, ref: str, sha1: str, patterns: Sequence[Pattern]) -> list[Repo]:
        """Find the repos of a sha1 in a ref that match one of the patterns, newest first."""
        terms = [pattern.term() for pattern in patterns]
        return _decoded(await self._scripts.find_sha1_repos(project, ref, sha1, terms))

    async def find_ref(
        self, project: str, ref: str, status: str | None, patterns: Sequence[Pattern]
    ) -> list[Repo] | None:
        """Find every repo of a ref that matches one of the patterns, newest first; None if they are too many."""
        terms = [pattern.term() for pattern in patterns]
        documents = await self._scripts.find_ref_repos(project, ref, status or "", AT_ONCE, terms)
        return None if documents is None else _decoded(documents)

    async def find_everywhere(self, project: str, sha1: str) -> list[Repo]:
        """Find the repos of a sha1 in every ref, newest first."""
        members = keys.sha1_repos(project, sha1)
        reads = named("repo", project, sha1=sha1)
        return _decoded(await self._scripts.find_members(keys.repos(project), members, reads))

    async def find_prefix(self, project: str, prefix: str, limit: int) -> list[str]:
        """Find the first `limit` sha1s, in lexical order, of repos or builds; see `prefixes.find_prefix`."""
        return await find_prefix(self._batches, project, prefix, limit)

    async def names(self, project: str) -> dict[str, list[str]]:
        """List the refs and the sha1s of a project, those built last first."""
        refs, sha1s = await asyncio.gather(
            self._list(project, keys.refs(project), named("repo", project)),
            self._list(project, keys.sha1s(project), named("repo", project)),
        )
        return {"refs": refs, "sha1s": sha1s}

    async def has(self, project: str) -> bool:
        """Tell whether the project has any repo."""
        return bool(await ask(partial(self._batches.call, "EXISTS", keys.refs(project)), reads=named("repo", project)))

    async def find_newest(
        self, project: str, name: str, status: str | None, patterns: Sequence[Pattern]
    ) -> tuple[Kind, list[Repo]]:
        """Find the newest repo of each cell of the ref `name` that matches one of the patterns, newest first.

        Where no such ref is, every repo of the sha1 `name`, whatever the patterns. The kind says which it was.
        """
        terms = [pattern.term() for pattern in patterns]
        kind, documents = await self._scripts.find_newest_repos(project, name, status or "", terms)
        return kind, _decoded(documents)

    async def find_common(
        self, project: str, name: str, status: str | None, patterns: Sequence[Pattern]
    ) -> tuple[Kind, list[Repo]]:
        """Find the matching repos of the newest sha1 of the ref `name` that has a match for every pattern.

        A sha1 is as new as its newest matching repo. Newest first, and the rest as in `find_newest`.
        """
        terms = [pattern.term() for pattern in patterns]
        kind, documents = await self._scripts.find_common_repos(project, name, status or "", terms)
        return kind, _decoded(documents)

    async def _confirm(self, project: str, digest: bytes, opened: Opened, old: Repo | None) -> bool:
        """Write what is there once more, as the replicas may not have it yet; False if it has changed."""
        return (
            await self._scripts.swap_repo(project, swap_of(digest, opened, old, old or Removed(opened.gone)))
            is not None
        )

    async def _list(self, project: str, key: str, reads: Collection[Tag]) -> list[str]:
        return await newest_names(self._batches, key, keys.changes(project), reads)


def _names(members: Iterable[Any]) -> list[str]:
    return [text_of(member) for member in members]


def _decoded(documents: Sequence[bytes]) -> list[Repo]:
    repos = [_decoder.decode(document) for document in documents]
    return sorted(repos, key=lambda repo: (repo.modified, repo.id), reverse=True)
