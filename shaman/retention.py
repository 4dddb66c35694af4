"""What retention keeps: rules, and pure decisions about the sha1s of a ref.

A sha1 of a ref is all that is known of it there, its repos and its builds, and goes as a whole or not at all.
"""

from bisect import bisect_right
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from msgspec import Meta, Struct

from shaman.errors import Invalid

DAY = 24 * 3600 * 1_000_000
"""Microseconds."""

Glob = Annotated[str, Meta(min_length=1)]


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[retention.rules]]`: what is kept of the refs that match both globs, where no rule before it matches.

    Of each ref the newest `sha1s`, and those that were built or written to in the last `days`: a sha1 goes when neither
    keeps it. The newest one, and the newest that is ready, stay whatever their age unless `keep_newest` is false.
    """

    project: Glob
    ref: Glob
    sha1s: Annotated[int, Meta(ge=1)] | None = None
    days: Annotated[float, Meta(gt=0, le=36_500)] | None = None
    keep_newest: bool = True

    def __str__(self) -> str:
        """Return the rule as it is told to people."""
        kept = [f"{self.sha1s} sha1s"] if self.sha1s else []
        kept += [f"{self.days:g} days"] if self.days else []
        return f"{self.project} {self.ref}: {', '.join(kept)}"

    def matches(self, project: str, ref: str) -> bool:
        """Tell whether the rule is about a ref, if none before it is."""
        return fnmatchcase(project, self.project) and fnmatchcase(ref, self.ref)


class Sha1(Struct, frozen=True, kw_only=True):
    """A sha1 of a ref: the `modified` of its newest build, of its newest repo, and of its newest one that is ready.

    None where it has none; what is still building counts as what is ready does.
    """

    sha1: str
    build: int | None = None
    repo: int | None = None
    ready: int | None = None

    @property
    def modified(self) -> int:
        """The time of its newest record."""
        return max(self.build or 0, self.repo or 0)


class Demand(Struct, frozen=True):
    """How many newer sha1s a ref must have before one may go: of those with repos, and of those with ready ones.

    For a sha1 that has only builds, those with builds count as well.
    """

    newer: int
    newer_ready: int


def check_rules(rules: Sequence[Rule]) -> None:
    """Raise Invalid naming the rule and its field if one says nothing, contradicts itself, or can never be reached."""
    for number, rule in enumerate(rules):
        name = f"retention.rules[{number}]"
        if rule.sha1s is None and rule.days is None:
            raise Invalid(f"{name}: `sha1s` and `days` are both missing; one of them says what to keep")
        if rule.sha1s is not None and not rule.keep_newest:
            raise Invalid(f"{name}.keep_newest: cannot be false beside `sha1s`, which keeps the newest")
        for before, other in enumerate(rules[:number]):
            if _hides(other.project, rule.project) and _hides(other.ref, rule.ref):
                raise Invalid(f"{name}.ref: is never reached, as retention.rules[{before}] matches all of it before")


def rule_for(rules: Sequence[Rule], project: str, ref: str) -> Rule | None:
    """Return the first rule that matches; None: everything is kept."""
    return next((rule for rule in rules if rule.matches(project, ref)), None)


def demand_of(rule: Rule, sha1: Sha1) -> Demand:
    """Return what must be newer than a sha1 before it may go; whoever removes it looks at that again."""
    return Demand(rule.sha1s or int(rule.keep_newest), int(rule.keep_newest and sha1.ready is not None))


def is_old(rule: Rule, sha1: Sha1, now: int) -> bool:
    """Tell whether a sha1 is past the `days` of a rule, if it has any."""
    return rule.days is None or sha1.modified < now - rule.days * DAY


def removable(rule: Rule, sha1s: Sequence[Sha1], now: int) -> list[Sha1]:
    """Return those of the sha1s of a ref that may go, oldest first. Of one time none is newer than the other."""
    builds = sorted(sha1.build for sha1 in sha1s if sha1.build is not None)
    repos = sorted(sha1.repo for sha1 in sha1s if sha1.repo is not None)
    ready = sorted(sha1.ready for sha1 in sha1s if sha1.ready is not None)

    def goes(sha1: Sha1) -> bool:
        demand = demand_of(rule, sha1)
        newer = _newer(repos, sha1) if sha1.repo is not None else max(_newer(repos, sha1), _newer(builds, sha1))
        return is_old(rule, sha1, now) and newer >= demand.newer and _newer(ready, sha1) >= demand.newer_ready

    return sorted((sha1 for sha1 in sha1s if goes(sha1)), key=lambda sha1: (sha1.modified, sha1.sha1))


def _newer(times: Sequence[int], sha1: Sha1) -> int:
    return len(times) - bisect_right(times, sha1.modified)


def _hides(first: str, second: str) -> bool:
    """Tell whether the glob `first` surely matches whatever `second` does; only stars are understood."""
    return first == second or (not set("?[") & set(first) and "[" not in second and fnmatchcase(second, first))
