"""The search for an order of writes that explains what was read."""

import itertools
from math import inf
from random import Random

import pytest
from soaking.registers import Read, Write, unexplained


def write(value: str | None, begin: float, end: float, rank: str = "") -> Write:
    """Return a write."""
    return Write(value=value, begin=begin, end=end, rank=rank)


def read(value: str | None, begin: float, end: float, after: int | None = None) -> Read:
    """Return a read."""
    return Read(value=value, begin=begin, end=end, after=after)


EXPLAINED = {
    "nothing at all": ([], []),
    "nothing there yet": ([write("a", 1, 2)], [read(None, 0, 0.5), read(None, 1.2, 1.8), read("a", 3, 4)]),
    "two writes at once, in either order": ([write("a", 1, 5), write("b", 1, 5)], [read("b", 2, 3), read("a", 4, 5)]),
    "a write without an answer that was made": ([write("a", 1, inf)], [read(None, 2, 3), read("a", 4, 5)]),
    "a write without an answer that never was": ([write("a", 1, inf)], [read(None, 2, 3), read(None, 4, 5)]),
    "taken away and written again": (
        [write("a", 1, 2), write(None, 3, 4), write("b", 5, 6)],
        [read("a", 2, 3), read(None, 4, 5), read("b", 6, 7)],
    ),
    "nothing there between two writes at once": (
        [write("a", 1, 2), write(None, 3, 9), write("b", 3, 9)],
        [read(None, 4, 5), read(None, 6, 7), read("b", 8, 9)],
    ),
    "not older than its own": ([write("a", 1, 2), write("b", 1, 2)], [read("a", 3, 4, after=1)]),
}

UNEXPLAINED = {
    "never written": ([write("a", 1, 2)], [read("b", 3, 4)]),
    "read before it was written": ([write("a", 3, 4)], [read("a", 1, 2)]),
    "a lost write": ([write("a", 1, 2), write("b", 3, 4)], [read("a", 5, 6)]),
    "the older after the newer": (
        [write("a", 1, 6), write("b", 1, 6)],
        [read("a", 2, 3), read("b", 4, 5), read("a", 6, 7)],
    ),
    "nothing there after an acknowledged write": ([write("a", 1, 2)], [read(None, 3, 4)]),
    "there after it was taken away": ([write("a", 1, 2), write(None, 3, 4)], [read("a", 5, 6)]),
    "nothing there in the midst of its life": (
        [write("a", 1, 2), write("b", 5, 6), write(None, 9, 10)],
        [read("a", 2, 3), read(None, 3, 4), read("b", 7, 8)],
    ),
    "two orders at once": (
        [write("a", 1, 9), write("b", 1, 9)],
        [read("a", 2, 3), read("b", 4, 5), read(None, 6, 7)],
    ),
    "older than its own": ([write("a", 1, 2), write("b", 3, 4)], [read("a", 2, 9, after=1)]),
    "nothing, older than its own": ([write("a", 3, 4)], [read(None, 2, 9, after=0)]),
    "not the order that the store tells": (
        [write("a", 1, 2, rank="2"), write("b", 3, 4, rank="1")],
        [read("b", 5, 6)],
    ),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_what_can_be_so_is_explained(name: str) -> None:
    """Where an order of the writes explains every read, one is found."""
    assert unexplained(*EXPLAINED[name]) == ""


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_what_cannot_be_so_is_found(name: str) -> None:
    """Where no order explains every read, the answer says so."""
    assert unexplained(*UNEXPLAINED[name])


def explained_by_trying(writes: list[Write], reads: list[Read]) -> bool:
    """Tell whether any order of all calls, each at its own moment, is as they say: every one of them is tried."""
    calls: list[Write | Read] = [*writes, *reads]
    for order in itertools.permutations(enumerate(calls)):
        moment, value, made = -inf, None, set[int | None]([None])
        for number, call in order:
            moment = max(moment, call.begin)
            if moment > call.end:
                break
            if isinstance(call, Write):
                value = call.value
                made.add(number)
            elif call.value != value or call.after not in made:
                break
        else:
            return True
    return False


def test_it_finds_what_trying_every_order_finds() -> None:
    """On small histories at random, sound and unsound, it agrees with a search that leaves out nothing."""
    random = Random(1)  # noqa: S311 - not for secrets
    found = set()
    for _ in range(600):
        begins = random.sample(range(24), 6)  # each once, as they name what is written
        spans = [(begin, begin + random.randint(1, 12)) for begin in begins]
        writes = [write(random.choice([None, f"w{begin}"]), begin, end) for begin, end in spans[:3]]
        values, owned = [None, *(each.value for each in writes)], [None, None, 0, 1, 2]
        reads = [read(random.choice(values), begin, end, random.choice(owned)) for begin, end in spans[3:]]
        explained = not unexplained(writes, reads)
        assert explained == explained_by_trying(writes, reads), (writes, reads)
        found.add(explained)
    assert found == {True, False}
