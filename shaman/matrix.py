"""The matrix of a ref: which sha1 is built for what. Pure decisions."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec import Struct

from shaman.distros import Releases, canonical_arch
from shaman.models import COMPLETED, DEFAULT_FLAVOR, READY, Build
from shaman.store.recent import Line, Named

BUILDING = "building"
FAILED = "failed"

_AS_REPOS_SAY = {"started": BUILDING, "failure": FAILED}
"""What builds call a state that repos have another word for."""


class Column(Struct, frozen=True):
    """What can be built for; version and arch are canonical."""

    distro: str
    version: str
    arch: str
    flavor: str


class Cell(Struct, frozen=True, kw_only=True):
    """What became of a sha1 for a column: its newest state and since when, and the newest repo and build of it.

    The repo is a ready one if there is any.
    """

    status: str
    time: int
    repo: Line | None = None
    build: Build | None = None

    @property
    def ready(self) -> bool:
        """Whether a repo can be used, whatever has happened since."""
        return self.repo is not None and self.repo.status == READY


class Row(Struct, frozen=True, kw_only=True):
    """A sha1 and its cells; `unplaced` are the builds that do not say what they are for.

    `older` tells whether there are builds that nobody looked at, as they are older than many.
    """

    sha1: str
    time: int
    cells: dict[Column, Cell]
    unplaced: Sequence[Build] = ()
    older: bool = False


class Matrix(Struct, frozen=True, kw_only=True):
    """Rows, newest first, the columns that occur in them, and the sha1 of the newest complete row, if there is one.

    `left_out` are the columns that are too many to be shown.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    complete: str | None
    left_out: int

    def groups(self) -> list[tuple[str, str, int]]:
        """Return distro, version and number of the columns that stand beside each other."""
        grouped = groupby(self.columns, key=lambda column: (column.distro, column.version))
        return [(distro, version, len(list(columns))) for (distro, version), columns in grouped]


def state_of(build: Build) -> str:
    """Return the state of a build in the words of repos."""
    return _AS_REPOS_SAY.get(build.status, build.status)


def cell_of(repos: Sequence[Line], builds: Sequence[Build]) -> Cell:
    """Join the repos and builds of one cell, at least one: the newest of them says how it stands.

    Except a completed build: what it made is told by its repo, which is older. So it only counts where no repo is.
    """
    repo = max(repos, key=lambda line: (line.status == READY, line.time, line.id), default=None)
    build = max(builds, key=lambda each: (each.modified, each.id), default=None)
    told = [(line.time, line.status) for line in repos]
    told += [(each.modified, state_of(each)) for each in builds if not (repos and each.status == COMPLETED)]
    time, status = max(told)
    return Cell(status=status, time=time, repo=repo, build=build)


def row_of(sha1: Named, repos: Iterable[Line], builds: Iterable[Build], *, older: bool = False) -> Row:
    """Return the row of a sha1."""
    found: dict[Column, tuple[list[Line], list[Build]]] = {}
    unplaced = []
    for line in repos:
        for arch in line.archs:
            found.setdefault(Column(line.distro, line.version, arch, line.flavor), ([], []))[0].append(line)
    for build in builds:
        column = column_of(build)
        if column is None:
            unplaced.append(build)
        else:
            found.setdefault(column, ([], []))[1].append(build)
    cells = {column: cell_of(*both) for column, both in found.items()}
    return Row(sha1=sha1.name, time=sha1.time, cells=cells, unplaced=unplaced, older=older)


def column_of(build: Build) -> Column | None:
    """Return what a build is for, None if it does not say."""
    if not (build.distro and build.distro_version and build.distro_arch):
        return None
    return Column(build.distro, build.version, canonical_arch(build.distro_arch), build.flavor or DEFAULT_FLAVOR)


def matrix_of(rows: Sequence[Row], releases: Releases, limit: int) -> Matrix:
    """Return the matrix of some rows, with so many columns at most."""
    occurring = {column for row in rows for column in row.cells}
    columns = sorted(occurring, key=lambda column: _order(column, releases))
    left_out = max(len(columns) - limit, 0)
    return Matrix(columns=columns[:limit], rows=rows, complete=newest_complete(rows), left_out=left_out)


def newest_complete(rows: Sequence[Row]) -> str | None:
    """Return the first sha1 that has a ready repo for every column that any of the rows has."""
    columns = {column for row in rows for column in row.cells}
    for row in rows:
        if columns and all(column in row.cells and row.cells[column].ready for column in columns):
            return row.sha1
    return None


def _order(column: Column, releases: Releases) -> tuple[object, ...]:
    number = releases.number(column.distro, column.version)
    version = [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", number)]
    flavor = (column.flavor != DEFAULT_FLAVOR, column.flavor)
    return (column.distro, version, number, flavor, column.arch)
