"""What the matrix of a ref tells, decided from made-up repos and builds."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shaman.distros import Releases
from shaman.matrix import Column, Row, cell_of, matrix_of, newest_complete, row_of, state_of
from shaman.models import Build
from shaman.store.recent import Line, Named

CENTOS = Column("centos", "9", "x86_64", "default")
NOBLE = Column("ubuntu", "noble", "arm64", "default")

STATUSES = ("requested", "queued", "building", "ready", "failed")
BUILD_STATUSES = ("queued", "started", "completed", "failed")


def line(status: str, time: int, number: int = 1, column: Column = CENTOS) -> Line:
    """Return a repo of a column."""
    return Line(
        id=number,
        time=time,
        status=status,
        flavor=column.flavor,
        distro=column.distro,
        version=column.version,
        archs=(column.arch,),
    )


def build(status: str, time: int, number: int = 1, column: Column | None = CENTOS) -> Build:
    """Return a build of a column, or of none."""
    return Build(
        id=number,
        project="ceph",
        ref="main",
        sha1="a1",
        url="https://j.example.org/",
        status=status,
        modified=time,
        started=0,
        distro=column.distro if column else None,
        distro_version=column.version if column else None,
        distro_arch=column.arch if column else None,
    )


times = st.integers(1, 5)
lines = st.builds(line, st.sampled_from(STATUSES), times, st.integers(1, 9))
builds = st.builds(build, st.sampled_from(BUILD_STATUSES), times, st.integers(1, 9))


@given(st.lists(lines, max_size=4), st.lists(builds, max_size=4))
def test_the_newest_word_of_a_cell_counts(repos: list[Line], runs: list[Build]) -> None:
    """The state is that of the newest repo or build; a completed build says nothing that a repo does not say better."""
    if not repos and not runs:
        return
    cell = cell_of(repos, runs)
    words = [(each.time, each.status) for each in repos]
    words += [(run.modified, state_of(run)) for run in runs if run.status != "completed" or not repos]
    assert (cell.time, cell.status) in words
    assert cell.time == max(time for time, _ in words)
    assert cell.ready == any(each.status == "ready" for each in repos)
    assert cell.repo is None or not cell.ready or cell.repo.status == "ready"
    assert (cell.repo is None, cell.build is None) == (not repos, not runs)


@given(st.lists(lines, max_size=3), st.lists(builds, max_size=3))
def test_the_order_of_records_does_not_matter(repos: list[Line], runs: list[Build]) -> None:
    """However the store tells them, a cell is the same."""
    if repos or runs:
        cells = [cell_of(some, others) for some in permutations(repos) for others in permutations(runs)]
        assert len({(cell.status, cell.time, cell.ready) for cell in cells}) == 1


@pytest.mark.parametrize(
    ("repos", "runs", "status"),
    [
        ([line("ready", 5)], [build("started", 1)], "ready"),
        ([line("ready", 1)], [build("completed", 5)], "ready"),
        ([line("building", 1)], [build("completed", 5)], "building"),
        ([line("ready", 1)], [build("started", 5)], "building"),
        ([line("ready", 1)], [build("failed", 5)], "failed"),
        ([line("failed", 1), line("ready", 2)], [], "ready"),
        ([line("ready", 1), line("failed", 2)], [], "failed"),
        ([], [build("completed", 1)], "completed"),
        ([], [build("queued", 1), build("started", 2)], "building"),
        ([line("requested", 1)], [build("queued", 2)], "queued"),
    ],
)
def test_how_repos_and_builds_are_joined(repos: list[Line], runs: list[Build], status: str) -> None:
    """The cases that happen: a repo after its build, a build after its repo, a second build, a failure of it."""
    assert cell_of(repos, runs).status == status


def row(sha1: str, **statuses: str) -> Row:
    """Return a row with these states of columns that are called by letters."""
    columns = {name: Column(name, "1", "x86_64", "default") for name in statuses}
    return row_of(Named(1, sha1), [line(status, 1, 1, columns[name]) for name, status in statuses.items()], [])


@pytest.mark.parametrize(
    ("rows", "complete"),
    [
        ([], None),
        ([row("a")], None),
        ([row("a", x="ready")], "a"),
        ([row("a", x="building"), row("b", x="ready")], "b"),
        ([row("a", x="ready"), row("b", x="ready", y="ready")], "b"),
        ([row("a", x="ready", y="failed"), row("b", x="ready", y="ready"), row("c", x="ready", y="ready")], "b"),
        ([row("a", x="ready"), row("b", y="ready")], None),
    ],
)
def test_the_newest_complete_row(rows: list[Row], complete: str | None) -> None:
    """The first that is ready for all that any of the rows is for."""
    assert newest_complete(rows) == complete


@given(st.lists(st.dictionaries(st.sampled_from("xyz"), st.sampled_from(STATUSES)), max_size=5))
def test_no_row_above_the_complete_one_is_complete(told: list[dict[str, str]]) -> None:
    """It is ready for every column, and it is the first such one."""
    rows = [row(str(number), **statuses) for number, statuses in enumerate(told)]
    columns = {name for statuses in told for name in statuses}
    complete = [
        str(number) for number, states in enumerate(told) if columns == {n for n in states if states[n] == "ready"}
    ]
    assert newest_complete(rows) == (complete[0] if complete and columns else None)


def test_a_repo_of_many_archs_stands_in_each_of_their_columns() -> None:
    """And a build that does not say what it is for in none."""
    both = Line(id=1, time=1, status="ready", flavor="default", distro="centos", version="9", archs=("arm64", "x86_64"))
    found = row_of(Named(2, "a1"), [both], [build("queued", 2, column=None), build("queued", 3, column=NOBLE)])
    assert set(found.cells) == {CENTOS, Column("centos", "9", "arm64", "default"), NOBLE}
    assert [run.modified for run in found.unplaced] == [2]


def test_columns_are_in_the_order_of_people() -> None:
    """By distro, by number also where codenames are told, the default flavor first; those too many are counted."""
    expected = [
        Column("centos", "9", "arm64", "default"),
        CENTOS,
        Column("centos", "9", "arm64", "asan"),
        Column("centos", "10", "x86_64", "default"),
        Column("ubuntu", "jammy", "x86_64", "default"),
        NOBLE,
    ]
    found = row_of(Named(1, "a1"), [line("ready", 1, 1, column) for column in reversed(expected)], [])
    assert matrix_of([found], Releases(), 9).columns == expected
    assert matrix_of([found], Releases(), 9).groups() == [
        ("centos", "9", 3),
        ("centos", "10", 1),
        ("ubuntu", "jammy", 1),
        ("ubuntu", "noble", 1),
    ]
    cut = matrix_of([found], Releases(), 4)
    assert (cut.columns, cut.left_out, cut.complete) == (expected[:4], 2, "a1")
