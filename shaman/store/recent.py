"""What is newest, page by page, for people who look: each question costs the same, however much there is."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from redis.asyncio import Redis

from shaman.models import READY, Build, Repo
from shaman.store import keys
from shaman.store.batches import Batches, Script
from shaman.store.connection import ask, ask_each
from shaman.store.documents import Documents, damaged, text_of

_repo_decoder = Documents(Repo)
_build_decoder = Documents(Build)

TOGETHER = 100
"""Projects that are asked together: with 14 days of each it is 1,400 small questions, 5 ms of the store's time."""


class Named(Struct, frozen=True, order=True):
    """A name and the time of the newest record that has it; such pairs are ordered as the store orders them."""

    time: int
    name: str


class Page(Struct, frozen=True):
    """Some names, the newest first, and the one behind which the next page begins, if there is a next page."""

    rows: Sequence[Named]
    after: Named | None = None


class Line(Struct, frozen=True, kw_only=True):
    """What the index of a sha1 tells of a repo; the version and the archs are canonical."""

    id: int
    time: int
    status: str
    flavor: str
    distro: str
    version: str
    archs: tuple[str, ...]


class ProjectFacts(Struct, frozen=True, kw_only=True):
    """A project at a glance; `newest` is the time of its last repo or build."""

    name: str
    newest: int
    refs: int
    repos: int


class ReadySha1(Struct, frozen=True, kw_only=True):
    """The newest sha1 of a ref that has a ready repo, and those."""

    project: str
    ref: str
    sha1: str
    time: int
    lines: Sequence[Line]

    def built_for(self) -> list[str]:
        """Return the distros and versions, each once."""
        return list(dict.fromkeys(f"{line.distro} {line.version}" for line in self.lines))


class Recent:
    """The newest names and records of every project."""

    def __init__(self, client: Redis, batches: Batches) -> None:
        """Use `client`."""
        self._client = client
        self._batches = batches
        self._page = Script(client, batches, "page")

    async def projects(self, cursor: int = 0, status: str | None = None) -> tuple[list[ProjectFacts], int]:
        """Return about a hundred projects that have records, the newest first, and where to go on (0: nowhere).

        With a status, those that have repos of it.

        The store keeps the names of projects in no order, so each such page is in order by itself alone.
        """
        names, after = await self._names(cursor)
        told = await ask_each(
            self._client,
            [
                command
                for name in names
                for command in (
                    ("ZRANGE", keys.refs(name, status), 0, 0, "REV", "WITHSCORES"),
                    ("ZRANGE", keys.build_refs(name), 0, 0, "REV", "WITHSCORES"),
                    ("ZCOUNT", keys.refs(name, status), "-inf", "+inf"),
                    ("ZCOUNT", keys.modified(name), "-inf", "+inf"),
                )
            ],
        )
        facts = []
        for index, name in enumerate(names):
            repo, build, refs, repos = told[4 * index : 4 * index + 4]
            times = [pairs(rows)[0].time for rows in (repo, () if status else build) if rows]
            if times:
                facts.append(ProjectFacts(name=name, newest=max(times), refs=refs, repos=repos))
        return sorted(facts, key=lambda project: (project.newest, project.name), reverse=True), after

    async def ready(self, projects: Sequence[str], count: int) -> list[ReadySha1]:
        """Return the refs that got a ready repo last, each with its newest sha1 that has one."""
        told = await ask_each(
            self._client, [("ZRANGE", keys.refs(name, READY), 0, count - 1, "REV", "WITHSCORES") for name in projects]
        )
        found = [(row.time, name, row.name) for name, rows in zip(projects, told, strict=True) for row in pairs(rows)]
        newest = [(project, ref) for _, project, ref in sorted(found, reverse=True)[:count]]
        told = await ask_each(
            self._client,
            [("ZRANGE", keys.ref_sha1s(project, ref, READY), 0, 0, "REV", "WITHSCORES") for project, ref in newest],
        )
        places = [(*place, pairs(rows)[0]) for place, rows in zip(newest, told, strict=True) if rows]
        told = await ask_each(
            self._client, [("HGET", keys.rows(project, ref), sha1.name) for project, ref, sha1 in places]
        )
        return [
            ReadySha1(project=project, ref=ref, sha1=sha1.name, time=sha1.time, lines=_ready(_lines(text)))
            for (project, ref, sha1), text in zip(places, told, strict=True)
        ]

    async def builds(self, projects: Sequence[str], count: int) -> list[Build]:
        """Return the newest builds of some projects."""
        told = await ask_each(
            self._client,
            [("ZRANGE", keys.build_modified(name), 0, count - 1, "REV", "WITHSCORES") for name in projects],
        )
        found = [(row.time, name, row.name) for name, rows in zip(projects, told, strict=True) for row in pairs(rows)]
        newest = sorted(found, reverse=True)[:count]
        documents = await ask_each(
            self._client, [("HGET", keys.builds(project), number) for _, project, number in newest]
        )
        return [_build_decoder.decode(document) for document in documents if document]

    async def volume(self, projects: Sequence[str], borders: Sequence[int]) -> list[int]:
        """Count the repos that were modified last between each two of `borders`, which ascend."""
        days = list(pairwise(borders))
        told = await ask_each(
            self._client,
            [("ZCOUNT", keys.modified(name), begin, f"({end}") for name in projects for begin, end in days],
        )
        return [sum(told[index :: len(days)]) for index in range(len(days))]

    async def projects_with_builds(self, cursor: int = 0) -> tuple[list[Named], int]:
        """Return about a hundred projects that have builds, as `projects` does."""
        names, after = await self._names(cursor)
        told = await ask_each(
            self._client, [("ZRANGE", keys.build_refs(name), 0, 0, "REV", "WITHSCORES") for name in names]
        )
        found = [Named(pairs(rows)[0].time, name) for name, rows in zip(names, told, strict=True) if rows]
        return sorted(found, reverse=True), after

    async def refs(self, project: str, status: str | None, after: Named | None, count: int) -> Page:
        """List refs that have a repo with `status`; without one, those with any repo or build."""
        names = [keys.refs(project, status)] if status else [keys.refs(project), keys.build_refs(project)]
        return await self._page_of(names, after, count)

    async def sha1s(self, project: str, ref: str, status: str | None, after: Named | None, count: int) -> Page:
        """List sha1s of a ref that have a repo with `status`; without one, those with any repo or build."""
        names = [keys.ref_sha1s(project, ref, status)]
        return await self._page_of(names if status else [*names, keys.build_sha1s(project, ref)], after, count)

    async def build_refs(self, project: str, after: Named | None, count: int) -> Page:
        """List the refs of a project that have builds."""
        return await self._page_of([keys.build_refs(project)], after, count)

    async def build_sha1s(self, project: str, ref: str, after: Named | None, count: int) -> Page:
        """List the sha1s of a ref that have builds."""
        return await self._page_of([keys.build_sha1s(project, ref)], after, count)

    async def page_of_builds(
        self, project: str, ref: str, sha1: str, after: Named | None, count: int
    ) -> tuple[list[Build], Named | None]:
        """Return builds of a sha1, and behind which the next page begins."""
        page = await self._page_of([keys.sha1_builds(project, ref, sha1)], after, count)
        documents = await self._documents(keys.builds(project), [row.name for row in page.rows])
        return [_build_decoder.decode(document) for document in documents], page.after

    async def build(self, project: str, number: str) -> Build | None:
        """Return the build with an id."""
        documents = await self._documents(keys.builds(project), [number])
        return _build_decoder.decode(documents[0]) if documents else None

    async def lines(self, project: str, ref: str, sha1s: Sequence[str]) -> dict[str, list[Line]]:
        """Return what the repos of some sha1s of a ref are built for, without reading their documents."""
        if not sha1s:
            return {}
        told: Any = await ask(partial(self._batches.call, "HMGET", keys.rows(project, ref), *sha1s))
        return {sha1: _lines(text) for sha1, text in zip(sha1s, told, strict=True)}

    async def repos(self, project: str, numbers: Sequence[str | int]) -> list[Repo]:
        """Return the repos with these ids, as far as they are there."""
        return [_repo_decoder.decode(document) for document in await self._documents(keys.repos(project), numbers)]

    async def builds_of(self, project: str, ref: str, sha1s: Sequence[str], count: int) -> dict[str, list[Build]]:
        """Return the newest builds of each of some sha1s of a ref."""
        told = await ask_each(
            self._client, [("ZRANGE", keys.sha1_builds(project, ref, sha1), 0, count - 1, "REV") for sha1 in sha1s]
        )
        places = [(sha1, number) for sha1, numbers in zip(sha1s, told, strict=True) for number in numbers]
        builds: dict[str, list[Build]] = {sha1: [] for sha1 in sha1s}
        if places:
            call = partial(self._batches.call, "HMGET", keys.builds(project), *(number for _, number in places))
            for (sha1, _), document in zip(places, await ask(call), strict=True):
                if document:
                    builds[sha1].append(_build_decoder.decode(document))
        return builds

    async def _names(self, cursor: int) -> tuple[list[str], int]:
        answer: Any = await ask(partial(self._batches.call, "SSCAN", keys.PROJECTS, cursor, "COUNT", TOGETHER))
        return sorted({text_of(name) for name in answer[1]}), int(answer[0])

    async def _documents(self, key: str, numbers: Sequence[str | int]) -> list[bytes]:
        if not numbers:
            return []
        told: Any = await ask(partial(self._batches.call, "HMGET", key, *numbers))
        return [document for document in told if document]

    async def _page_of(self, names: Sequence[str], after: Named | None, count: int) -> Page:
        arguments: list[str | int] = [count, after.time, after.name] if after else [count, "", ""]
        time, name, *told = await ask(partial(self._page, names, arguments))
        rows = pairs(told)
        return Page(rows, Named(int(float(time)), text_of(name)) if time else None)


def pairs(answer: Sequence[Any]) -> list[Named]:
    """Read members with scores: one after the other as a script tells them, or in pairs as a newer protocol does."""
    flat = answer if not answer or isinstance(answer[0], bytes) else [part for pair in answer for part in pair]
    return [Named(int(float(time)), text_of(name)) for name, time in zip(flat[::2], flat[1::2], strict=True)]


def _lines(text: bytes | None) -> list[Line]:
    """Read the rows of a sha1, newest first."""
    try:
        lines = [_line(line) for line in (text or b"").decode().splitlines()]
    except ValueError as error:
        raise damaged(f"the rows of a sha1 have {error}") from error
    return sorted(lines, key=lambda line: (line.time, line.id), reverse=True)


def _line(text: str) -> Line:
    status, flavor, distro, version, archs, time, number = text.split("/")
    return Line(
        id=int(number),
        time=int(time),
        status=unquote(status),
        flavor=unquote(flavor),
        distro=unquote(distro),
        version=unquote(version),
        archs=tuple(unquote(arch) for arch in archs.split(",")),
    )


def _ready(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.status == READY]
