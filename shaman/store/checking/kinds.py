"""What the documents of each kind call for: the entries of the indexes that are made from one document alone."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from shaman.checks import check_sha1
from shaman.errors import Invalid
from shaman.merge import repo_identity_of
from shaman.models import Build, Repo
from shaman.store import build_swaps, keys, swaps
from shaman.store.swaps import Change

TIMES = range(1, 10**16)
"""What fits into the sixteen digits of an index."""


class Entry(Struct, frozen=True):
    """A member of a sorted set that a document calls for."""

    key: str
    member: bytes
    score: int


class Line(Struct, frozen=True):
    """A line of the rows that a document calls for."""

    key: str
    sha1: str
    text: str


class Record(Struct, frozen=True, kw_only=True):
    """A document, and what it calls for."""

    number: str
    document: bytes
    ref: str
    sha1: str
    status: str
    time: int
    digest: bytes
    entries: tuple[Entry, ...]
    line: Line | None
    change: Change


class Kind(Struct, frozen=True, kw_only=True):
    """Repos or builds: their keys, and how their documents are read."""

    name: str
    documents: Callable[[str], str]
    identities: Callable[[str], str]
    counter: Callable[[str], str]
    decode: Callable[[str, bytes], Record]

    def read(self, project: str, document: bytes) -> Record | str:
        """Return the record of a document; in words what is wrong with it."""
        try:
            return self.decode(project, document)
        except (msgspec.MsgspecError, Invalid, ValueError) as error:
            return f"is no {self.name}: {error}"


def _repo(project: str, document: bytes) -> Record:
    repo = msgspec.json.decode(document, type=Repo)
    _check(project, repo)
    place = swaps.place_of(repo)
    row = f"{place.cell}/{repo.modified:016d}/{repo.id}"
    return Record(
        number=str(repo.id),
        document=document,
        ref=repo.ref,
        sha1=repo.sha1,
        status=repo.status,
        time=repo.modified,
        digest=keys.digest(*repo_identity_of(repo)),
        entries=(
            Entry(keys.modified(project), str(repo.id).encode(), repo.modified),
            Entry(keys.sha1_repos(project, repo.sha1), str(repo.id).encode(), repo.modified),
            Entry(keys.cells(project, repo.ref), row.encode(), 0),
        ),
        line=Line(keys.rows(project, repo.ref), repo.sha1, row),
        change=swaps.change_of(None, repo, removed=False),
    )


def _build(project: str, document: bytes) -> Record:
    build = msgspec.json.decode(document, type=Build)
    _check(project, build)
    place = build_swaps.place_of(build)
    waits = [Entry(keys.build_queued(project), f"{place.waits}/{build.id:016d}".encode(), 0)] if place.waits else []
    return Record(
        number=str(build.id),
        document=document,
        ref=build.ref,
        sha1=build.sha1,
        status=build.status,
        time=build.modified,
        digest=place.digest,
        entries=(
            Entry(keys.build_modified(project), str(build.id).encode(), build.modified),
            Entry(keys.sha1_builds(project, build.ref, build.sha1), str(build.id).encode(), build.modified),
            *waits,
        ),
        line=None,
        change=build_swaps.change_of(None, build),
    )


def _check(project: str, record: Any) -> None:
    check_sha1("sha1", record.sha1)
    if record.project != project:
        raise Invalid(f"project: is {record.project}")
    if record.modified not in TIMES:
        raise Invalid(f"modified: is {record.modified}, which is no time")
    if record.id < 1:
        raise Invalid(f"id: is {record.id}")


REPOS = Kind(name="repo", documents=keys.repos, identities=keys.identities, counter=keys.next_id, decode=_repo)
BUILDS = Kind(
    name="build",
    documents=keys.builds,
    identities=keys.build_identities,
    counter=keys.next_build_id,
    decode=_build,
)
