"""What a history breaks of what the registry promises.

Each record is two registers, one of the last `put` and one of the last `extra`: an order of the writes must explain all
answers about either (`registers.py`). What is told of many records at once is held to those that stood surely all the
time of the question (`standing.py`). Another worker may tell what was so up to a lag ago, and none what is older than a
write that it has acknowledged itself.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from math import inf

from soaking.calls import Call, Told
from soaking.registers import Read, Write, unexplained
from soaking.standing import READY, names_possible, standing, superseding

EXPECTED = {
    "put": {200, 201},
    "note": {200, 400},
    "delete": {200, 201},
    "dump": {200},
    "ref": {200},
    "newest": {200, 404, 504},
    "sha1s": {200, 404},
}
"""What a healthy service answers, beside what leaves it unknown; 400 is a note where no record is."""

REFUSED = 400


def faults(history: Sequence[Call], lag: float) -> list[str]:
    """Return every anomaly; none if the history is as promised, with other workers at most `lag` seconds behind."""
    history = sorted(history, key=lambda call: call.begin)
    ranks = {told.note: told.modified for call in history for told in call.told}
    found = [*_wrong(history), *_torn(history, ranks)]
    if found:
        return found
    for (record, name), (writes, reads) in _registers(history, ranks, lag).items():
        why = unexplained(writes, reads)
        found += [f"{record}, {name}: {why}"] if why else []
    return [*found, *_left_out(history, ranks, lag), *_made_up(history, lag), *_went_back(history)]


def _wrong(history: Sequence[Call]) -> Iterator[str]:
    for call in history:
        if not call.unknown and call.status not in EXPECTED[call.what]:
            yield f"{call.what} {call.question}: answered {call.status}"
        if call.missing:
            yield f"{call.question}: does not tell {call.missing} records that existed all the time"


def _torn(history: Sequence[Call], ranks: dict[str, str]) -> Iterator[str]:
    """Yield what is told as nobody wrote it, and the writes that are told with two times."""
    puts = {call.number: call for call in history if call.what == "put"}
    for call in history:
        for told in call.told:
            put = puts.get(told.number)
            if put is None or (put.record, put.version) != (told.record, told.version):
                yield f"{call.question}: a record that never existed: {told}"
            elif ranks[told.note] != told.modified:
                yield f"{call.question}: {told.note} was written at {told.modified} and at {ranks[told.note]}"


def _registers(
    history: Sequence[Call], ranks: dict[str, str], lag: float
) -> dict[tuple[str, str], tuple[list[Write], list[Read]]]:
    """Return the writes and reads of each register, by record and name."""
    records = sorted({call.record for call in history if call.record})
    registers: dict[tuple[str, str], tuple[list[Write], list[Read]]] = {
        (record, name): ([], []) for record in records for name in ("put", "extra")
    }
    own: dict[tuple[str, str, int], int] = {}
    for call in history:
        for name in ("put", "extra") if call.what in {"put", "delete"} else ("extra",) if call.what == "note" else ():
            if call.acknowledged or call.unknown:
                writes = registers[call.record, name][0]
                if call.acknowledged:
                    own[call.record, name, call.connection] = len(writes)
                writes.append(_write(call, ranks))
        for record, told in _seen(call, records):
            begin = call.begin if call.record else call.begin - lag
            for name in ("put", "extra"):
                value = (told.number if name == "put" else told.note) if told else None
                after = own.get((record, name, call.connection))
                registers[record, name][1].append(Read(value=value, begin=begin, end=call.end, after=after))
    return registers


def _write(call: Call, ranks: dict[str, str]) -> Write:
    return Write(
        value=None if call.what == "delete" else call.number,
        begin=call.begin,
        end=call.end if call.acknowledged else inf,
        rank=ranks.get(call.number, ""),
    )


def _seen(call: Call, records: Sequence[str]) -> Iterator[tuple[str, Told | None]]:
    """Yield what a call has seen of which record; None where it was not there."""
    told = {each.record: each for each in call.told}
    yield from told.items()
    if call.what == "note" and call.status == REFUSED:
        yield call.record, None
    elif call.what == "dump" and call.acknowledged:
        yield from ((record, None) for record in records if record not in told)


def _left_out(history: Sequence[Call], ranks: dict[str, str], lag: float) -> Iterator[str]:
    """Yield the questions that do not tell what stood surely all the time, or what is older than that."""
    questions = [call for call in history if call.what in {"ref", "newest", "sha1s"} and not call.unknown]
    for call, everywhere in standing(history, questions, lag):
        there = [each for each in everywhere if each.version.ref == call.ref and (each.is_ready or not call.ready)]
        if call.what == "sha1s":
            lacking = {each.version.sha1 for each in there} - set(call.names)
        elif call.what == "ref":
            lacking = {each.record for each in there} - {told.record for told in call.told}
        else:
            newest = max((told.modified for told in call.told), default="")
            lacking = {each.number for each in there if not call.told or ranks.get(each.number, "") > newest}
        if lacking:
            yield f"{call.question}: does not tell {', '.join(sorted(lacking))}, there from before to after"


def _made_up(history: Sequence[Call], lag: float) -> Iterator[str]:
    """Yield the sha1s that are told when no record can have had them."""
    possible = names_possible(history)
    for call in history:
        if call.what == "sha1s":
            for name in call.names:
                if not possible(call.ref, name, call.ready, call.begin - lag, call.end):
                    yield f"{call.question}: tells {name}, which nothing had then"


def _went_back(history: Sequence[Call]) -> Iterator[str]:
    """Yield where the newest of a ref becomes an older one, on one connection, and nothing has taken the newer away."""
    last: dict[tuple[int, str], Call] = {}
    after = superseding(history)
    for call in history:
        if call.what != "newest" or call.unknown:
            continue
        before = last.get((call.connection, call.question))
        last[call.connection, call.question] = call
        if before is None or not before.told:
            continue
        was, now = before.told[0], max((told.modified for told in call.told), default="")
        if now < was.modified and not _is_taken(after(was.number), call):
            yield f"{call.question}: goes back from {was.number} to {now or 'nothing'}, and nothing explains it"


def _is_taken(writes: Iterator[Call], question: Call) -> bool:
    """Tell whether one of the writes takes a record out of the answer to a question, and may have done so by then."""
    begun = takewhile(lambda write: write.begin <= question.end, writes)
    return any(
        write.version is None or (write.version.ref, write.version.status) != (question.ref, READY) for write in begun
    )
