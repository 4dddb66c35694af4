"""Whether what was read of one register can have been so, given what was written to it, and when.

A call takes effect at one moment between its begin and its end. `unexplained` looks for an order of the writes, each at
a moment of its own, in which every read finds what it found. No value is written twice, so all reads of one value are
no more than a limit for when it came and one for how long it stayed; only the reads that found nothing may belong to
any of several times without a value. The search is exact: where it finds no order there is none.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import inf

from msgspec import Struct
from msgspec.structs import replace


class Write(Struct, frozen=True, kw_only=True):
    """A write; None takes the value away. With the end `inf` nobody knows whether it was made, or when.

    `rank` is the place that the store gave it among all writes, "" where it did not tell.
    """

    value: str | None
    begin: float
    end: float
    rank: str = ""


class Read(Struct, frozen=True, kw_only=True):
    """A read; `after` is the place in the list of writes of one that it must not be older than."""

    value: str | None
    begin: float
    end: float
    after: int | None = None


class _State(Struct, frozen=True, kw_only=True):
    """A beginning of an order: the writes before `first` and those in `beyond` are made, `current` was the last.

    The next may come from `leave` on, and with a greater `rank`. Of the reads that found nothing those from
    `following` on, and those in `open`, have not had their moment yet.
    """

    first: int = 0
    beyond: frozenset[int] = frozenset()
    current: int | None = None
    leave: float = -inf
    following: int = 0
    open: frozenset[int] = frozenset()
    rank: str = ""

    def has(self, write: int | None) -> bool:
        """Tell whether a write has been made."""
        return write is None or write < self.first or write in self.beyond


class _Search:
    def __init__(self, writes: Sequence[Write], reads: Sequence[Read]) -> None:
        places = sorted(range(len(writes)), key=lambda place: writes[place].begin)
        place_of = {place: number for number, place in enumerate(places)}
        reads = [read if read.after is None else replace(read, after=place_of[read.after]) for read in reads]
        self.writes = [writes[place] for place in places]
        self.empty = sorted((read for read in reads if read.value is None), key=lambda read: read.begin)
        self.latest = [write.end for write in self.writes]
        self.hold = [-inf] * len(writes)
        self.needs: list[set[int]] = [set() for _ in writes]
        self.seen = [False] * len(writes)
        number_of = {write.value: number for number, write in enumerate(self.writes)}
        for read in reads:
            if read.value is not None:
                self._take(read, number_of[read.value])
        self.furthest = _State()

    def _take(self, read: Read, number: int) -> None:
        self.seen[number] = True
        self.latest[number] = min(self.latest[number], read.end)
        self.hold[number] = max(self.hold[number], read.begin)
        if read.after is not None and read.after != number:
            self.needs[number].add(read.after)

    def succeeds(self) -> bool:
        """Look for an order."""
        known: dict[tuple[object, ...], float] = {}
        ways: list[Iterator[_State]] = [iter([_State()])]
        while ways:
            state = next(ways[-1], None)
            if state is None:
                ways.pop()
                continue
            key = (state.first, state.beyond, state.current, state.following, state.open)
            if known.get(key, inf) <= state.leave:
                continue
            known[key] = state.leave
            if state.first + len(state.beyond) > self.furthest.first + len(self.furthest.beyond):
                self.furthest = state
            if self._complete(state):
                return True
            ways.append(self._next(state))
        return False

    def pending(self, state: _State) -> tuple[list[int], float]:
        """Return the writes that may be next, and the moment by which one of them must be."""
        found, limit = [], inf
        for number in range(state.first, len(self.writes)):
            if self.writes[number].begin > limit:
                break
            if number not in state.beyond:
                found.append(number)
                limit = min(limit, self.latest[number])
        return found, limit

    def _next(self, state: _State) -> Iterator[_State]:
        pending, limit = self.pending(state)
        ranks = [self.writes[number].rank for number in pending if self.writes[number].rank and self._must_be(number)]
        for number in sorted(pending, key=lambda each: self.latest[each]):
            write, moment = self.writes[number], max(state.leave, self.writes[number].begin)
            if moment > limit or not all(state.has(needed) for needed in self.needs[number]):
                continue
            if write.rank and (write.rank < state.rank or write.rank > min(ranks, default=write.rank)):
                continue
            moments = [moment]
            if self._is_empty(state.current):
                waiting = range(state.following, len(self.empty))
                moments += [self.empty[each].begin for each in waiting if moment < self.empty[each].begin <= limit]
            for each in moments:
                if (after := self._made(state, number, each)) is not None:
                    yield after

    def _must_be(self, number: int) -> bool:
        return self.seen[number] or self.writes[number].end < inf

    def _is_empty(self, current: int | None) -> bool:
        return current is None or self.writes[current].value is None

    def _served(self, state: _State, until: float) -> _State:
        """Give the reads that have begun `until` then their moment in this state, if it can be theirs."""
        following = state.following
        while following < len(self.empty) and self.empty[following].begin <= until:
            following += 1
        still = frozenset(chain(state.open, range(state.following, following)))
        if self._is_empty(state.current):
            still = frozenset(each for each in still if not state.has(self.empty[each].after))
        return replace(state, following=following, open=still)

    def _made(self, state: _State, number: int, moment: float) -> _State | None:
        """Return the state after a write, or None if a read can have its moment no more."""
        served = self._served(state, moment)
        if any(self.empty[each].end < moment for each in served.open):
            return None
        beyond, first = {*served.beyond, number}, served.first
        while first in beyond:
            beyond.remove(first)
            first += 1
        leave = max(moment, self.hold[number])
        rank = self.writes[number].rank or served.rank
        return replace(served, first=first, beyond=frozenset(beyond), current=number, leave=leave, rank=rank)

    def _complete(self, state: _State) -> bool:
        rest = range(state.first, len(self.writes))
        if any(self._must_be(number) for number in rest if number not in state.beyond):
            return False
        return not self._served(state, inf).open


def unexplained(writes: Sequence[Write], reads: Sequence[Read]) -> str:
    """Return what cannot have been so, "" if all of it can. In the beginning there is no value."""
    begins = {write.value: write.begin for write in writes}
    for read in reads:
        if read.value is None:
            continue
        if read.value not in begins:
            return f"{read.value} was read and never written"
        if read.end < begins[read.value]:
            return f"{read.value} was read before it was written"
    search = _Search(writes, reads)
    if search.succeeds():
        return ""
    state = search.furthest
    following, _ = search.pending(state)
    current = None if state.current is None else search.writes[state.current].value
    names = ", ".join(str(search.writes[number].value) for number in following[:5])
    return f"no order of the writes explains the reads: behind {current}, where [{names}] should follow"
