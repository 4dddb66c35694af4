"""Builds in the store: documents in and out, one round trip for each question."""

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from msgspec.structs import replace
from redis.asyncio import Redis

from shaman.distros import Releases
from shaman.errors import Unavailable
from shaman.merge import Unchanged
from shaman.merge_build import merge_build, new_build
from shaman.models import Build, PostedBuild
from shaman.store import keys
from shaman.store.batches import Batches
from shaman.store.build_scripts import BuildScripts, OpenedBuild, Wanted
from shaman.store.build_swaps import digest_of, swap_of, wanted_by
from shaman.store.connection import ask
from shaman.store.documents import Documents, text_of
from shaman.store.names import newest_names
from shaman.store.repos import WRITE_ATTEMPTS, Outcome
from shaman.store.scripts import Scripts
from shaman.store.turns import Turns
from shaman.store.wakeups import Tag, Wakeups, named, tags_of

_decoder = Documents(Build)


class Builds:
    """The builds of every project."""

    def __init__(
        self,
        client: Redis,
        batches: Batches,
        writes: Batches,
        scripts: Scripts,
        build_scripts: BuildScripts,
        releases: Releases,
        wakeups: Wakeups,
    ) -> None:
        """Use `releases` to know which versions are the same; tell `wakeups` of what is written."""
        self._client = client
        self._batches = batches
        self._writes = writes
        self._scripts = scripts
        self._build_scripts = build_scripts
        self._releases = releases
        self._wakeups = wakeups
        self._turns = Turns()

    async def put(self, project: str, posted: PostedBuild) -> tuple[Outcome, Build]:
        """Merge `posted` into the build of its identity, or into a queued one that waits for it, and write that.

        One read and one script call. Returns what happened and the build as it is now. Raises Invalid for a missing
        field, Unavailable if the store is away.
        """
        new = new_build(project, posted, self._releases)
        wanted = wanted_by(new)
        async with self._turns.take((project, wanted.digest)):
            for _ in range(WRITE_ATTEMPTS):
                opened = await self._build_scripts.open_build(project, wanted)
                old = _decoder.decode(opened.document) if opened.document else None
                merged = merge_build(old, posted, project=project, releases=self._releases, now=opened.now)
                written = await self._write(wanted, opened, old, merged)
                if written:
                    return written
        raise Unavailable("the build is being written by too many at once")

    async def delete(self, project: str, number: int, *, modified: int | None = None) -> None:
        """Remove the build with the id `number`, if it is there, and if its `modified` is the one that is told."""
        for _ in range(WRITE_ATTEMPTS):
            document: Any = await ask(partial(self._client.hget, keys.builds(project), str(number)))
            if document is None:
                return
            old = _decoder.decode(document)
            if modified is not None and old.modified != modified:
                return
            swap = swap_of(Wanted(digest_of(old)), document, old, None)
            with self._wakeups.writing(_tags(old)):
                if await self._build_scripts.swap_build(project, swap):
                    return
        raise Unavailable("the build is being written by too many at once")

    async def projects(self) -> dict[str, list[str]]:
        """List the projects that have a build and their refs, those built last first."""
        names = _names(await ask(lambda: self._client.smembers(keys.PROJECTS), reads=[("build",)]))

        async def refs() -> list[list[tuple[bytes, float]]]:
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.zrange(keys.build_refs(name), 0, -1, desc=True, withscores=True)
            return await pipeline.execute()

        found = zip(names, await ask(refs, reads=[("build",)]) if names else [], strict=True)
        dated = sorted(((rows[0][1], name, rows) for name, rows in found if rows), reverse=True)
        return {name: _names(ref for ref, _ in rows) for _, name, rows in dated}

    async def refs(self, project: str) -> list[str]:
        """List the refs that have a build, the one built last first."""
        return await self._list(project, keys.build_refs(project), named("build", project))

    async def sha1s(self, project: str, ref: str) -> list[str]:
        """List the sha1s of a ref that have a build, the one built last first."""
        return await self._list(project, keys.build_sha1s(project, ref), named("build", project, ref=ref))

    async def find_sha1(self, project: str, ref: str, sha1: str) -> list[Build]:
        """Find the builds of a sha1 in a ref, newest first."""
        members = keys.sha1_builds(project, ref, sha1)
        reads = named("build", project, sha1=sha1)
        found = await self._scripts.find_members(keys.builds(project), members, reads)
        builds = [_decoder.decode(document) for document in found]
        return sorted(builds, key=lambda build: (build.modified, build.id), reverse=True)

    async def knows(self, project: str) -> bool:
        """Tell whether the project has any build, or any repo."""
        reads = [*named("build", project), *named("repo", project)]
        return bool(await ask(partial(self._client.exists, keys.build_refs(project), keys.refs(project)), reads=reads))

    async def _write(
        self, wanted: Wanted, opened: OpenedBuild, old: Build | None, new: Build | Unchanged
    ) -> tuple[Outcome, Build] | None:
        """Put `new` in the place of `old`; None if another build is there by now."""
        if isinstance(new, Unchanged):
            if old is None:  # which never happens: only what is there can stay unchanged
                return None
            # What is there is written once more, as the replicas may not have it yet.
            again = swap_of(wanted, opened.document, old, old)
            if self._writes.replicas and await self._build_scripts.swap_build(old.project, again) is None:
                return None
            # Perhaps another process has just written this, and its wake-up is still on the way.
            await self._wakeups.catch_up()
            return Outcome.UNCHANGED, old
        if not opened.known_project:
            await self._scripts.list_project(new.project)
        with self._wakeups.writing(_tags(new)):
            new_id = await self._build_scripts.swap_build(new.project, swap_of(wanted, opened.document, old, new))
        if new_id is None:
            return None
        return (Outcome.UPDATED if old else Outcome.CREATED), replace(new, id=new_id)

    async def _list(self, project: str, key: str, reads: Collection[Tag]) -> list[str]:
        return await newest_names(self._batches, key, keys.changes(project), reads)


def _tags(build: Build) -> set[Tag]:
    return tags_of("build", build.project, [build.ref], [build.sha1])


def _names(members: Iterable[Any]) -> list[str]:
    return [text_of(member) for member in members]
