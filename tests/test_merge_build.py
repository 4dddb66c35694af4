"""What a POST makes of a build, decided without a store."""

from typing import Any

import pytest
from msgspec.structs import replace

from shaman.distros import Releases
from shaman.errors import Invalid
from shaman.merge import Unchanged
from shaman.merge_build import build_identity, merge_build, new_build, places_of, restore_build, waits_at
from shaman.models import Build, PostedBuild

RELEASES = Releases()
CELL = {"distro": "ubuntu", "distro_version": "noble", "distro_arch": "x86_64"}


def posted(**changes: Any) -> PostedBuild:
    """Return a started build of a cell, changed as told; a None takes the field away."""
    body = {"url": "https://ci/1/", "ref": "main", "sha1": "a1", "status": "started", **CELL} | changes
    return PostedBuild(**{name: value for name, value in body.items() if value is not None})


def trigger(**changes: Any) -> PostedBuild:
    """Return a queued build without a cell, changed as told."""
    return posted(status="queued", url="https://ci/trigger/", **(dict.fromkeys(CELL) | changes))


def merge(old: Build | None, body: PostedBuild, now: int) -> Build:
    """Return what becomes of `old`, which must change."""
    merged = merge_build(old, body, project="ceph", releases=RELEASES, now=now)
    assert isinstance(merged, Build)
    return merged


def test_the_first_post_starts_a_build() -> None:
    """Whatever its status, a new build has started and been modified now; it is not completed."""
    for status in ("queued", "started", "failed", "anything"):
        build = merge(None, posted(status=status), 100)
        assert (build.started, build.modified, build.completed) == (100, 100, None)


def test_what_is_not_told_is_none_and_what_is_told_empty_is_empty() -> None:
    """An empty text is kept apart from an absent one, though both are the same build."""
    build = merge(None, trigger(distro="", log_url=""), 100)
    assert (build.distro, build.distro_version, build.log_url, build.build_id) == ("", None, "", None)
    assert build_identity(build) == build_identity(merge(None, trigger(), 100))


def test_only_completed_sets_completed() -> None:
    """It is the time of the first word of it, for as long as the build stays completed."""
    started = merge(None, posted(), 100)
    completed = merge(started, posted(status="completed"), 200)
    assert (completed.started, completed.completed, completed.modified) == (100, 200, 200)
    again = merge(completed, posted(status="completed", extra={"a": 1}), 300)
    assert (again.completed, again.modified) == (200, 300)
    assert merge(completed, posted(), 300).completed is None
    assert merge(started, posted(status="failed"), 300).completed is None
    assert merge(merge(completed, posted(), 300), posted(status="completed"), 400).completed == 400
    assert merge(None, posted(status="completed"), 100).completed == 100


def test_the_same_post_twice_changes_nothing() -> None:
    """What says what is known is no change, also of a completed build."""
    for status in ("queued", "started", "completed"):
        body = posted(status=status, extra={"a": [1]})
        again = merge_build(merge(None, body, 100), body, project="ceph", releases=RELEASES, now=200)
        assert isinstance(again, Unchanged)


def test_what_an_update_does_not_tell_stays() -> None:
    """Absent fields keep their value, told ones change, empty ones are emptied."""
    before = merge(None, posted(log_url="https://ci/1/log", build_id=7, extra={"a": 1}), 100)
    after = merge(before, posted(status="failed", log_url=""), 200)
    assert after == replace(before, status="failed", log_url="", modified=200)
    assert after.build_id == "7"


def test_modified_grows_even_if_the_clock_goes_back() -> None:
    """A change is always newer than what it changes."""
    assert merge(merge(None, posted(), 100), posted(status="failed"), 50).modified == 101


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"distro_version": "noble"}, {"distro_version": "24.04"}),
        ({"distro_arch": "amd64"}, {"distro_arch": "x86_64"}),
        ({"distro": " Ubuntu "}, {"distro": "ubuntu"}),
        ({"url": "https://ci/1"}, {"url": "https://ci/1/"}),
        ({"flavor": None}, {"flavor": "default"}),
        ({"flavor": ""}, {"flavor": "default"}),
        ({"distro_arch": None}, {"distro_arch": ""}),
        ({"log_url": "https://a/"}, {"log_url": "https://b/"}),
    ],
)
def test_two_spellings_are_one_build(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Names of one thing make one identity."""
    first, second = (new_build("ceph", posted(**changes), RELEASES) for changes in (one, other))
    assert build_identity(first) == build_identity(second)


@pytest.mark.parametrize("field", ["url", "ref", "sha1", "flavor", *CELL])
def test_each_coordinate_makes_another_build(field: str) -> None:
    """Builds that differ in one of them are two."""
    first, second = (new_build("ceph", posted(**changes), RELEASES) for changes in ({}, {field: "other"}))
    assert build_identity(first) != build_identity(second)


def test_only_a_queued_build_waits() -> None:
    """It waits at its coordinates, or at its ref and sha1 if it names nothing of a cell."""
    waiting = new_build("ceph", posted(status="queued"), RELEASES)
    assert waits_at(waiting) == ("main", "a1", "default", "ubuntu", "noble", "x86_64") == places_of(waiting)[0]
    for empty in (None, ""):
        unnamed = new_build("ceph", trigger(flavor="debug", **dict.fromkeys(CELL, empty)), RELEASES)
        assert waits_at(unnamed) == ("main", "a1", "", "", "", "") == places_of(waiting)[1]
    for name, value in CELL.items():
        named = new_build("ceph", trigger(**{name: value}), RELEASES)
        assert waits_at(named) == places_of(named)[0] != places_of(named)[1]
    assert waits_at(new_build("ceph", posted(), RELEASES)) is None


def test_what_is_taken_over_keeps_its_id_and_its_start_alone() -> None:
    """Nothing that the run before has told of itself is told of the new one."""
    queued = replace(
        merge(None, trigger(log_url="https://ci/log", build_id="7", extra={"a": 1}, flavor="x"), 100), id=5
    )
    taken = merge(queued, posted(), 200)
    assert taken == replace(merge(None, posted(), 200), id=5, started=100)
    assert merge(queued, posted(status="completed"), 200).completed == 200


@pytest.mark.parametrize("field", ["url", "ref", "sha1", "status"])
def test_a_build_needs_four_fields(field: str) -> None:
    """Whichever is missing or empty is named, though the build be known."""
    known = merge(None, posted(), 100)
    with pytest.raises(Invalid, match=f"{field}: is missing"):
        merge(known, posted(**{field: None}), 200)
    with pytest.raises(Invalid, match=f"{field}: must not be empty"):
        merge(known, posted(**{field: ""}), 200)


def test_a_saved_build_replaces_an_older_one() -> None:
    """It comes as it was; what the registry has that is as new stays."""
    saved = replace(merge(None, posted(), 100), id=9)
    known = replace(saved, id=3, modified=50, status="queued")
    assert restore_build(None, saved, now=900) == saved
    assert restore_build(known, saved, now=900) == replace(saved, id=3)
    assert isinstance(restore_build(saved, saved, now=900), Unchanged)
    untimed = replace(saved, modified=0, started=0)
    assert restore_build(None, untimed, now=900) == replace(saved, modified=900, started=900)
    assert isinstance(restore_build(saved, untimed, now=900), Unchanged)
