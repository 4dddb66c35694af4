"""Which records stood where, surely or possibly, while something was asked."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import accumulate, islice
from math import inf

from msgspec import Struct

from soaking.calls import Call, Version

READY = "ready"


class Standing(Struct, frozen=True, kw_only=True):
    """A version of a record that stood surely from `begin` to `end`."""

    record: str
    number: str
    version: Version
    begin: float
    end: float

    @property
    def is_ready(self) -> bool:
        """Whether it was ready."""
        return self.version.status == READY


def superseding(history: Sequence[Call]) -> Callable[[str], Iterator[Call]]:
    """Return what yields for the number of a `put` the writes that may have come after it, in the order of their begin.

    The history is in the order of the begins, too.
    """
    writes_of: defaultdict[str, list[Call]] = defaultdict(list)
    place: dict[str, int] = {}
    for call in history:
        if call.what in {"put", "delete"} and (call.acknowledged or call.unknown):
            place[call.number] = len(writes_of[call.record])
            writes_of[call.record].append(call)
    record_of = {call.number: record for record, writes in writes_of.items() for call in writes}
    latest = {record: list(accumulate(map(_end, writes), max)) for record, writes in writes_of.items()}

    def after(number: str) -> Iterator[Call]:
        writes, ends, here = writes_of[record_of[number]], latest[record_of[number]], place[number]
        first = here
        while first and ends[first - 1] >= writes[here].begin:
            first -= 1
        yield from (each for each in writes[first:here] if _end(each) >= writes[here].begin)
        yield from islice(writes, here + 1, None)

    return after


def standing(history: Sequence[Call], questions: Sequence[Call], lag: float) -> Iterator[tuple[Call, list[Standing]]]:
    """Yield each of the questions, in the order of their begin, with what stood from `lag` before it to its end."""
    waiting = sorted(_surely(history), key=lambda each: each.begin)
    there: dict[int, Standing] = {}
    ends: list[tuple[float, int]] = []
    following = 0
    for call in questions:
        moment = call.begin - lag
        while following < len(waiting) and waiting[following].begin <= moment:
            there[following] = waiting[following]
            heappush(ends, (waiting[following].end, following))
            following += 1
        while ends and ends[0][0] < moment:
            del there[heappop(ends)[1]]
        yield call, [each for each in there.values() if each.end >= call.end]


def _surely(history: Sequence[Call]) -> Iterator[Standing]:
    """Yield when each version stood surely: from its acknowledgement until another write may have begun to act."""
    after = superseding(history)
    for put in history:
        if put.what == "put" and put.acknowledged and put.version:
            end = next((each.begin for each in after(put.number)), inf)
            if end > put.end:
                yield Standing(record=put.record, number=put.number, version=put.version, begin=put.end, end=end)


def names_possible(history: Sequence[Call]) -> Callable[[str, str, bool, float, float], bool]:
    """Return a function that tells whether a record may have had a ref and sha1, and be ready, between two moments."""
    spans: defaultdict[tuple[str, str, bool], list[tuple[float, float]]] = defaultdict(list)
    after = superseding(history)
    for put in history:
        if put.what == "put" and put.version and (put.acknowledged or put.unknown):
            over = inf
            for each in after(put.number):
                if each.begin > over:
                    break
                over = min(over, _end(each)) if each.begin > _end(put) else over
            for ready in {False, put.version.status == READY}:
                spans[put.version.ref, put.version.sha1, ready].append((put.begin, over))
    begins = {key: [begin for begin, _ in sorted(found)] for key, found in spans.items()}
    ends = {key: list(accumulate((end for _, end in sorted(found)), max)) for key, found in spans.items()}

    def possible(ref: str, sha1: str, ready: bool, since: float, until: float) -> bool:  # noqa: FBT001
        begun = bisect_right(begins.get((ref, sha1, ready), []), until)
        return begun > 0 and ends[ref, sha1, ready][begun - 1] >= since

    return possible


def _end(call: Call) -> float:
    return call.end if call.acknowledged else inf
