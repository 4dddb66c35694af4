"""Records as lines of NDJSON: what `shaman export` writes, and `shaman import` reads.

A line is one record: `kind` and `project`, and the fields as the production dialect names them. `modified`, `created`
and `id` are the record's own; `sent` is the `modified` of the builder that was accepted last.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shaman.decoding import decode_body, read_as
from shaman.distros import Releases
from shaman.errors import Invalid
from shaman.merge import new_repo
from shaman.models import PostedRepo, Repo, check_posted_repo, check_text, format_time, parse_time
from shaman.source import Part, Source
from shaman.store import Store

BATCH = 250
"""Records written in one round trip: about 20 ms of the store's time in small parts, as each is a script of its own."""

POSTED = ("ref", "sha1", "distro", "distro_version", "flavor", "archs", "extra", "status", "chacra_url", "url")

_encoder = msgspec.json.Encoder()
_any_object = msgspec.json.Decoder(dict[str, Any])


class RepoLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A repo in an export; nothing of it is lost."""

    kind: Literal["repo"]
    project: str
    ref: str
    sha1: str
    distro: str
    distro_version: str
    flavor: str
    archs: tuple[str, ...]
    status: str
    url: str
    chacra_url: str
    extra: dict[str, Any]
    modified: str
    created: str
    sent: str | None = None
    id: int


def repo_line(repo: Repo, releases: Releases) -> RepoLine:
    """Return a repo as an export tells it: its version by number, its times with a blank between and no zone."""
    return RepoLine(
        kind="repo",
        project=repo.project,
        ref=repo.ref,
        sha1=repo.sha1,
        distro=repo.distro,
        distro_version=releases.number(repo.distro, repo.version),
        flavor=repo.flavor,
        archs=repo.archs,
        status=repo.status,
        url=repo.url,
        chacra_url=repo.chacra_url,
        extra=repo.extra,
        modified=format_time(repo.modified, " "),
        created=format_time(repo.created, " "),
        sent=None if repo.sent is None else format_time(repo.sent, " "),
        id=repo.id,
    )


def read_repo(project: str, fields: dict[str, Any], releases: Releases) -> Repo:
    """Return the repo that a line tells; what is null is absent, a time of 0 is one that is not told.

    Raises Invalid naming the field that is missing or breaks its rule.
    """
    posted = read_as(PostedRepo, {name: fields[name] for name in POSTED if fields.get(name) is not None})
    check_posted_repo(posted)
    times = {name: _time(name, fields) for name in ("modified", "created", "sent")}
    repo = new_repo(project, posted, releases)
    return replace(
        repo, id=_id(fields), modified=times["modified"] or 0, created=times["created"] or 0, sent=times["sent"]
    )


def _time(name: str, fields: dict[str, Any]) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid(f"{name}: is not a time such as 2026-06-17T18:04:30.190595Z")
    return parse_time(name, value)


def _id(fields: dict[str, Any]) -> int:
    number = fields.get("id")
    if number is None:
        return 0
    # More digits would not fit into the score of a sorted set.
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**53:
        raise Invalid("id: must be a positive number of at most 53 bits")
    return number


async def export(store: Store, releases: Releases, projects: Iterable[str]) -> AsyncIterator[bytes]:
    """Yield the lines of every record of `projects`, oldest first, page by page."""
    for project in projects:
        entries = await store.snapshots.entries(project, None, None, ())
        async for page in store.snapshots.repos(entries[::-1]):
            yield b"".join(_encoder.encode(repo_line(repo, releases)) + b"\n" for repo in page)


class Import:
    """Records on their way into the store. `counts` has for each project what became of how many."""

    def __init__(self, store: Store, releases: Releases, report: Callable[[str], None]) -> None:
        """Call `report` with what is wrong with a line."""
        self._store = store
        self._releases = releases
        self._report = report
        self._repos: defaultdict[str, list[Repo]] = defaultdict(list)
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.faults = 0

    async def add_lines(self, lines: Iterable[bytes]) -> AsyncIterator[int]:
        """Read every line, and yield the length of each in bytes. Blank ones are passed over."""
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    await self.add(decode_body(line, _any_object))
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
        if kind != "repo":
            raise Invalid(f"kind: must be repo, build or node, not {str(kind)[:50]!r}")
        if not isinstance(project, str):
            raise Invalid("project: is missing" if project is None else "project: is not text")
        check_text("project", project)
        waiting = self._repos[project]
        waiting.append(read_repo(project, fields, self._releases))
        if len(waiting) >= BATCH:
            await self._write_repos(project)

    def refuse(self, where: str, error: Invalid) -> None:
        """Report a record that cannot be taken, and count it."""
        self.faults += 1
        self._report(f"{where}: {error}")

    async def flush(self) -> None:
        """Write what still waits."""
        for project in list(self._repos):
            await self._write_repos(project)

    async def _write_repos(self, project: str) -> None:
        outcomes = await self._store.restores.repos(project, self._repos.pop(project))
        self.counts[project].update(f"repos {outcome.value}" for outcome in outcomes)
