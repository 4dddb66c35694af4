"""Records out of the store and into it: what `shaman export` writes, and `shaman import` reads."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec

from shaman.checks import check_text
from shaman.decoding import any_object, decode_body
from shaman.distros import Releases
from shaman.errors import Invalid
from shaman.lines import build_line, node_line, read_build, read_node, read_repo, repo_line
from shaman.models import Build, Repo
from shaman.source import Part, Source
from shaman.store import Store

BATCH = 250
"""Records written in one round trip: about 20 ms of the store's time in small parts, as each is a script of its own."""

_encoder = msgspec.json.Encoder()


async def export(store: Store, releases: Releases, projects: Iterable[str]) -> AsyncIterator[bytes]:
    """Yield the lines of every repo and build of `projects`, oldest first, page by page."""
    for project in projects:
        entries = await store.snapshots.entries(project, None, None, ())
        async for page in store.snapshots.repos(entries[::-1]):
            yield _encoder.encode_lines([repo_line(repo, releases) for repo in page])
        entries = await store.snapshots.build_entries(project)
        async for builds in store.snapshots.builds(entries[::-1]):
            yield _encoder.encode_lines([build_line(build, releases) for build in builds])


async def export_nodes(store: Store) -> bytes:
    """Return the lines of the nodes that have registered themselves, in the order of their turns."""
    pool = await store.nodes.find()
    return _encoder.encode_lines([node_line(node) for node in pool.nodes if node.registered])


class Import:
    """Records on their way into the store. `counts` has for each project what became of how many."""

    def __init__(self, store: Store, releases: Releases, report: Callable[[str], None]) -> None:
        """Call `report` with what is wrong with a line."""
        self._store = store
        self._releases = releases
        self._report = report
        self._repos: defaultdict[str, list[Repo]] = defaultdict(list)
        self._builds: defaultdict[str, list[Build]] = defaultdict(list)
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.faults = 0

    async def add_lines(self, lines: Iterable[bytes]) -> AsyncIterator[int]:
        """Read every line, and yield the length of each in bytes. Blank ones are passed over."""
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    await self.add(decode_body(line, any_object))
                except Invalid as error:
                    self.refuse(f"line {number}", error)
            yield len(line)
        await self.flush()

    async def add_part(self, source: Source, part: Part) -> None:
        """Read and write a part of another server."""
        number = 0
        async for fields in source.records(part):
            number += 1
            try:
                await self.add(fields)
            except Invalid as error:
                self.refuse(f"{part.kind} {number} of {part.project} {part.ref}", error)
        await self.flush()

    async def add(self, fields: dict[str, Any]) -> None:
        """Take a record; it is written with the others of its project. Raises Invalid naming what is wrong with it."""
        kind, project = fields.get("kind"), fields.get("project")
        if kind == "node":
            outcome = await self._store.restores.node(read_node(fields))
            self.counts["(nodes)"].update([f"nodes {outcome.value}"])
            return
        if kind not in {"repo", "build"}:
            raise Invalid(f"kind: must be repo, build or node, not {str(kind)[:50]!r}")
        if not isinstance(project, str):
            raise Invalid("project: is missing" if project is None else "project: is not text")
        check_text("project", project)
        if kind == "repo":
            self._repos[project].append(read_repo(project, fields, self._releases))
        else:
            self._builds[project].append(read_build(project, fields, self._releases))
        if len(self._repos[project]) >= BATCH or len(self._builds[project]) >= BATCH:
            await self._write(project)

    def refuse(self, where: str, error: Invalid) -> None:
        """Report a record that cannot be taken, and count it."""
        self.faults += 1
        self._report(f"{where}: {error}")

    async def flush(self) -> None:
        """Write what still waits."""
        for project in {*self._repos, *self._builds}:
            await self._write(project)

    async def _write(self, project: str) -> None:
        repos, builds = self._repos.pop(project, []), self._builds.pop(project, [])
        if repos:
            outcomes = await self._store.restores.repos(project, repos)
            self.counts[project].update(f"repos {outcome.value}" for outcome in outcomes)
        if builds:
            outcomes = await self._store.restores.builds(project, builds)
            self.counts[project].update(f"builds {outcome.value}" for outcome in outcomes)
