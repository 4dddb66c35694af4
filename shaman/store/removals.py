"""Sha1s out of the store: what a ref has, what is known of a sha1, its removal, and the log of removals."""

import itertools
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from shaman.errors import Unavailable
from shaman.models import READY, Build, Repo
from shaman.retention import Rule, Sha1, demand_of, is_old
from shaman.store import keys
from shaman.store.builds import Builds
from shaman.store.connection import ask
from shaman.store.documents import text_of
from shaman.store.removal_scripts import Answer, RemovalScripts, Sha1Removal
from shaman.store.repos import WRITE_ATTEMPTS, Pattern, Repos
from shaman.store.scripts import Scripts
from shaman.store.swaps import removal_of
from shaman.store.wakeups import Wakeups, tags_of

STEP = 2000
"""Sha1s, or entries of the log, in one reply: about 1 ms of the store's time."""


class Removal(Struct, frozen=True, kw_only=True):
    """An entry of the log: what went, by which rule, and how old it was, in microseconds."""

    rule: str
    project: str
    ref: str
    sha1: str
    repos: int
    builds: int
    age: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Removal)


class Removals:
    """What retention asks and does."""

    def __init__(
        self,
        client: Redis,
        scripts: RemovalScripts,
        repo_scripts: Scripts,
        repos: Repos,
        builds: Builds,
        wakeups: Wakeups,
    ) -> None:
        """Read records as `repos` and `builds` do; tell `wakeups` of what is removed."""
        self._client = client
        self._scripts = scripts
        self._repo_scripts = repo_scripts
        self._repos = repos
        self._builds = builds
        self._wakeups = wakeups

    async def now(self, project: str) -> int:
        """Return the time of the clock that a project's records have theirs from.

        Raises Unavailable if the store is away, as all below do.
        """
        return (await self._repo_scripts.open_repo(project, b"")).now

    async def refs(self, project: str) -> list[str]:
        """List the refs of a project that have repos, or only builds."""
        return sorted({*await self._repos.refs(project, None), *await self._builds.refs(project)})

    async def sha1s(self, project: str, ref: str) -> list[Sha1]:
        """List the sha1s of a ref; what changes meanwhile may be missing."""
        builds = dict([row async for row in self._times(keys.build_sha1s(project, ref))])
        repos = dict([row async for row in self._times(keys.ref_sha1s(project, ref))])
        ready = dict([row async for row in self._times(keys.ref_sha1s(project, ref, READY))])
        return [
            Sha1(sha1=sha1, build=builds.get(sha1), repo=repos.get(sha1), ready=ready.get(sha1))
            for sha1 in builds | repos
        ]

    async def plan(self, project: str, ref: str, sha1: str, rule: Rule, now: int) -> Removal:
        """Tell what would go with a sha1."""
        repos, builds = await self._records(project, ref, sha1)
        return _entry(rule, repos, builds, (project, ref, sha1), now)

    async def remove(self, project: str, ref: str, sha1: str, rule: Rule, now: int) -> Removal | None:
        """Remove a sha1 from a ref and return what went; None: by now the rule keeps it.

        Its repos go together, or not at all; then its builds one by one, and one that has changed meanwhile stays.
        """
        for _ in range(WRITE_ATTEMPTS):
            repos, builds = await self._records(project, ref, sha1)
            known = _sha1_of(sha1, repos, builds)
            if not (repos or builds) or not is_old(rule, known, now):
                return None
            entry = _entry(rule, repos, builds, (project, ref, sha1), now)
            removal = Sha1Removal(
                ref=ref,
                sha1=sha1,
                repos=[removal_of(repo) for repo in repos],
                build=known.build,
                modified=known.modified,
                demand=demand_of(rule, known),
                entry=_encoder.encode(entry),
            )
            with self._wakeups.writing(tags_of("repo", project, [ref], [sha1])):
                answer = await self._scripts.remove_sha1(project, removal)
            if answer is Answer.KEPT:
                return None
            if answer is Answer.REMOVED:
                for build in builds:
                    await self._builds.delete(project, build.id, modified=build.modified)
                return entry
        raise Unavailable("the sha1 is being written by too many at once")

    async def log(self, project: str) -> list[tuple[int, Removal]]:
        """List what was removed from a project, oldest first, each with its time in microseconds."""
        entries: list[tuple[int, Removal]] = []
        after = b"-"
        while True:
            rows: Any = await ask(partial(self._client.xrange, keys.removals(project), after, count=STEP))
            for name, fields in rows:
                entries.append((int(name.split(b"-")[0]) * 1000, _decoder.decode(fields[b"removal"])))
            if len(rows) < STEP:
                return entries
            after = b"(" + rows[-1][0]

    async def _records(self, project: str, ref: str, sha1: str) -> tuple[list[Repo], list[Build]]:
        repos = await self._repos.find_sha1(project, ref, sha1, [Pattern()])
        return repos, await self._builds.find_sha1(project, ref, sha1)

    async def _times(self, key: str) -> AsyncIterator[tuple[str, int]]:
        """Yield the members of a sorted set and their scores, the greatest first."""
        for first in itertools.count(0, STEP):
            question = partial(self._client.zrange, key, first, first + STEP - 1, desc=True, withscores=True)
            rows: list[Any] = await ask(question)
            for member, score in rows:
                yield text_of(member), int(score)
            if len(rows) < STEP:
                return


def _sha1_of(sha1: str, repos: list[Repo], builds: list[Build]) -> Sha1:
    return Sha1(
        sha1=sha1,
        build=max((build.modified for build in builds), default=None),
        repo=max((repo.modified for repo in repos), default=None),
        ready=max((repo.modified for repo in repos if repo.status == READY), default=None),
    )


def _entry(rule: Rule, repos: list[Repo], builds: list[Build], names: tuple[str, str, str], now: int) -> Removal:
    project, ref, sha1 = names
    return Removal(
        rule=str(rule),
        project=project,
        ref=ref,
        sha1=sha1,
        repos=len(repos),
        builds=len(builds),
        age=now - _sha1_of(sha1, repos, builds).modified,
    )
