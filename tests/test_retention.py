"""What retention keeps: the rules, and decisions without a store."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from shaman.errors import Invalid
from shaman.retention import DAY, Rule, Sha1, check_rules, removable, rule_for

NOW = 100 * DAY

times = st.none() | st.integers(0, 100).map(lambda days: days * DAY)
standings = st.builds(Sha1, sha1=st.just(""), build=times, repo=times, ready=times).map(
    lambda sha1: replace(sha1, ready=None if sha1.repo is None or sha1.ready is None else min(sha1.ready, sha1.repo))
)
refs = st.lists(standings.filter(lambda sha1: (sha1.build, sha1.repo) != (None, None)), max_size=12).map(
    lambda sha1s: [replace(sha1, sha1=str(number)) for number, sha1 in enumerate(sha1s)]
)
counts = st.none() | st.integers(1, 5)
ages = st.none() | st.integers(1, 100)


def rule(project: str = "*", ref: str = "*", **settings: object) -> Rule:
    """Return a rule about every ref, unless told."""
    return Rule(project=project, ref=ref, **settings)  # type: ignore[arg-type]


def names(sha1s: Sequence[Sha1]) -> list[str]:
    """Return the sha1s by name."""
    return [sha1.sha1 for sha1 in sha1s]


@given(refs, counts, ages)
@example([], 1, None)
def test_what_a_rule_says_is_kept(ref: list[Sha1], sha1s: int | None, days: int | None) -> None:
    """Whatever a ref holds: its newest N sha1s, what is younger than D days, its newest, its newest that is ready."""
    if sha1s is None and days is None:
        days = 1
    gone = removable(rule(sha1s=sha1s, days=days), ref, NOW)
    kept = [sha1 for sha1 in ref if sha1 not in gone]
    built = sorted((sha1.repo for sha1 in ref if sha1.repo is not None), reverse=True)
    for sha1 in gone:
        if sha1s is not None:
            assert sum(time > sha1.modified for time in built) >= sha1s or sha1.repo is None
        if days is not None:
            assert sha1.modified < NOW - days * DAY
    for name in ("repo", "ready"):
        told = [getattr(sha1, name) for sha1 in ref if getattr(sha1, name) is not None]
        if told:
            assert max(told) in [getattr(sha1, name) for sha1 in kept]
    if ref:
        assert max(sha1.modified for sha1 in ref) in [sha1.modified for sha1 in kept]
    assert removable(rule(sha1s=sha1s, days=days), kept, NOW) == []


@given(refs, st.integers(1, 5))
def test_nothing_but_what_is_kept_stays(ref: list[Sha1], sha1s: int) -> None:
    """A sha1 with N newer ones of those with repos goes, unless none newer than it is ready and it is."""
    gone = removable(rule(sha1s=sha1s), ref, NOW)
    for sha1 in ref:
        newer = [other for other in ref if other.repo is not None and other.repo > sha1.modified]
        newer_ready = [other for other in ref if other.ready is not None and other.ready > sha1.modified]
        if len(newer) >= sha1s and (sha1.ready is None or newer_ready):
            assert sha1 in gone
    assert gone == sorted(gone, key=lambda sha1: (sha1.modified, sha1.sha1))


@given(refs, st.integers(1, 100))
def test_a_ref_goes_as_a_whole_only_if_asked_for(ref: list[Sha1], days: int) -> None:
    """With keep_newest = false age alone decides."""
    gone = removable(rule(days=days, keep_newest=False), ref, NOW)
    assert {sha1.sha1 for sha1 in gone} == {sha1.sha1 for sha1 in ref if sha1.modified < NOW - days * DAY}


@given(refs, refs, st.integers(1, 5), st.integers(1, 100))
def test_what_comes_new_saves_nothing(ref: list[Sha1], more: list[Sha1], sha1s: int, days: int) -> None:
    """A sha1 that may go may go still when others have been built, so a late removal is never a wrong one."""
    kept = rule(sha1s=sha1s, days=days)
    others = [replace(sha1, sha1=f"new {sha1.sha1}") for sha1 in more]
    assert set(names(removable(kept, ref, NOW))) <= set(names(removable(kept, [*ref, *others], NOW)))


def test_what_is_still_building_counts() -> None:
    """A sha1 whose repos are not ready is one of the newest N, and the last one that is ready stays beside them."""
    building = [Sha1(sha1=f"b{day}", repo=day * DAY) for day in (7, 8, 9)]
    ready = [Sha1(sha1=f"r{day}", repo=day * DAY, ready=day * DAY) for day in (4, 5, 6)]
    assert names(removable(rule(sha1s=3), [*building, *ready], NOW)) == ["r4", "r5"]
    assert names(removable(rule(days=92), [*building, *ready], NOW)) == ["r4", "r5", "b7"]


def test_builds_alone_push_no_repo_out() -> None:
    """Sha1s that were never built do not count beside those that were; among themselves they do."""
    failed = [Sha1(sha1=f"f{day}", build=day * DAY) for day in (2, 7, 8, 9)]
    built = [Sha1(sha1=f"r{day}", build=day * DAY, repo=day * DAY, ready=day * DAY) for day in (1, 3, 4)]
    assert names(removable(rule(sha1s=2), [*failed, *built], NOW)) == ["r1", "f2", "f7"]
    assert names(removable(rule(sha1s=2), failed, NOW)) == ["f2", "f7"]


def test_the_first_rule_that_matches_decides() -> None:
    """Globs are fnmatch's, upper and lower case differ, and a ref without a rule is kept for ever."""
    rules = [rule("ceph", "wip-[a-c]*", sha1s=1), rule("ceph", "wip-*", sha1s=2), rule("*-ci", "?", days=3)]
    assert rule_for(rules, "ceph", "wip-a/b") is rules[0]
    assert rule_for(rules, "ceph", "wip-d") is rules[1]
    assert rule_for(rules, "ceph-ci", "x") is rules[2]
    for project, ref in (("ceph", "main"), ("ceph", "WIP-a"), ("Ceph", "wip-a"), ("ceph-ci", "xy"), ("ceph2", "wip-a")):
        assert rule_for(rules, project, ref) is None


@pytest.mark.parametrize(
    ("rules", "field", "fault"),
    [
        ([rule()], "retention.rules[0]", "`sha1s` and `days` are both missing"),
        ([rule("a", sha1s=1), rule("b")], "retention.rules[1]", "both missing"),
        ([rule(sha1s=1, days=1, keep_newest=False)], "retention.rules[0].keep_newest", "cannot be false"),
        ([rule("a", "b", sha1s=1), rule("a", "b", days=1)], "retention.rules[1].ref", "retention.rules[0]"),
        ([rule("a", sha1s=1), rule("a", "main", sha1s=9)], "retention.rules[1].ref", "never reached"),
        ([rule("*", "wip-*", sha1s=1), rule("c?", "wip-x*", sha1s=9)], "retention.rules[1].ref", "never reached"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rules: list[Rule], field: str, fault: str) -> None:
    """One that says nothing, contradicts itself or is hidden by an earlier one is named, with its field."""
    with pytest.raises(Invalid) as caught:
        check_rules(rules)
    assert str(caught.value).startswith(field)
    assert fault in str(caught.value)


globs = st.text("ab*?[]", min_size=1, max_size=4)


@given(globs, globs, st.text("ab*?[]", max_size=5))
@example("a?", "a*", "abc")
@example("*a*", "b[ab]", "bb")
@example("[a]", "[a]", "a")
def test_a_rule_is_only_refused_if_nothing_reaches_it(first: str, second: str, ref: str) -> None:
    """Of two rules that are refused, no name is for the second."""
    rules = [rule(ref=first, sha1s=1), rule(ref=second, sha1s=1)]
    try:
        check_rules(rules)
    except Invalid:
        assert rule_for(rules, "ceph", ref) is not rules[1]
