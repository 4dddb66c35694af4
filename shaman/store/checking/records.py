"""Documents against the indexes that are made from one document alone, and these against the documents."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from shaman.store import keys
from shaman.store.checking.kinds import Kind, Line, Record
from shaman.store.checking.orders import profile_unit, rank_unit
from shaman.store.checking.steps import Command, Fault, Unit, Verdict

LINES = 50
"""Lines of one sha1 looked at in one step."""


def document_unit(kind: Kind, project: str, number: bytes, document: bytes) -> Unit:
    """Return the check of a document, and of every entry that it calls for."""
    record = kind.read(project, document)
    if isinstance(record, str) or record.number.encode() != number:
        return _misplaced_unit(kind, project, number, document)
    reads = [
        Command("HGET", kind.documents(project), (number,)),
        Command("HGET", kind.identities(project), (record.digest,)),
        *(Command("ZSCORE", entry.key, (entry.member,)) for entry in record.entries),
    ]
    if record.line:
        reads.append(Command("HGET", record.line.key, (record.line.sha1,)))

    def judge(replies: Sequence[Any]) -> Verdict:
        found, identity, *rest = replies
        if found != document:
            return [] if found is None else [document_unit(kind, project, number, found)]
        verdict: list[Fault | Unit] = [*_wrong_identity(kind, project, record, identity)]
        for entry, score in zip(record.entries, rest, strict=False):
            if score is None or float(score) != entry.score:
                wrong = "is missing" if score is None else f"is {float(score):.0f}"
                wrong += f", and {kind.name} {record.number} calls for {entry.score}"
                mend = Command("ZADD", entry.key, (entry.score, entry.member))
                verdict.append(Fault(key=entry.key, member=entry.member, wrong=wrong, mend=(mend,)))
        if record.line:
            verdict += _missing_line(kind, record, record.line, rest[-1] or b"")
        return verdict

    return Unit(tuple(reads), judge)


def _misplaced_unit(kind: Kind, project: str, number: bytes, document: bytes) -> Unit:
    """Return the check of a document that is broken, or stands under another id than its own."""
    record = kind.read(project, document)
    place = kind.documents(project)
    reads = [Command("HGET", place, (number,))]
    if isinstance(record, Record):
        reads.append(Command("HGET", place, (record.number,)))

    def judge(replies: Sequence[Any]) -> Verdict:
        if replies[0] != document:
            return [] if replies[0] is None else [document_unit(kind, project, number, replies[0])]
        if isinstance(record, str):
            mend = set_aside(kind, project, number, document)
            return [Fault(key=place, member=number, wrong=f"{record}; to be set aside", mend=mend)]
        if replies[1] is None:
            mend = Command("HSET", place, (record.number, document)), Command("HDEL", place, (number,))
            wrong = f"is the document of {kind.name} {record.number}, to be put there"
        else:
            mend = set_aside(kind, project, number, document)
            wrong = f"is a document of {kind.name} {record.number}, which has another one; to be set aside"
        return [Fault(key=place, member=number, wrong=wrong, mend=mend)]

    after = (document_unit(kind, project, record.number.encode(), document),) if isinstance(record, Record) else ()
    return Unit(tuple(reads), judge, after)


def set_aside(kind: Kind, project: str, number: bytes, document: bytes) -> tuple[Command, ...]:
    """Return the writes that take a document out of the registry without losing it."""
    place = kind.documents(project)
    field = b"%ss/%s/%s" % (kind.name.encode(), number, blake2b(document, digest_size=6).hexdigest().encode())
    return Command("HSET", keys.aside(project), (field, document)), Command("HDEL", place, (number,))


def _wrong_identity(kind: Kind, project: str, record: Record, identity: bytes | None) -> Verdict:
    if identity == record.number.encode():
        return []
    place = kind.identities(project)
    mend = Command("HSET", place, (record.digest, record.number))
    if identity is None:
        wrong = f"is missing, and {kind.name} {record.number} has it"
        return [Fault(key=place, member=record.digest.hex(), wrong=wrong, mend=(mend,))]
    return [_shared_unit(kind, project, record, identity)]


def _shared_unit(kind: Kind, project: str, record: Record, other: bytes) -> Unit:
    """Return the check of an identity that names another document than one that has it."""
    place = kind.documents(project)
    reads = (
        Command("HGET", kind.identities(project), (record.digest,)),
        Command("HGET", place, (record.number,)),
        Command("HGET", place, (other,)),
    )

    def judge(replies: Sequence[Any]) -> Verdict:
        named, found, document = replies
        if named != other or found != record.document:
            return [document_unit(kind, project, record.number.encode(), found)] if found else []
        rival = kind.read(project, document) if document else ""
        give = Command("HSET", kind.identities(project), (record.digest, record.number))
        if isinstance(rival, str) or rival.digest != record.digest or rival.number != other.decode():
            wrong = f"is {other.decode(errors='replace')}, and {kind.name} {record.number} has it"
            return [Fault(key=kind.identities(project), member=record.digest.hex(), wrong=wrong, mend=(give,))]
        old, new = sorted((record, rival), key=lambda each: (each.time, int(each.number)))
        return [_double_unit(kind, project, old, new)]

    return Unit(reads, judge)


def _double_unit(kind: Kind, project: str, old: Record, new: Record) -> Unit:
    """Return the check of a record whose identity a newer one has; it goes out of every index at once."""
    place = kind.documents(project)
    reads = [Command("HGET", place, (old.number,)), Command("HGET", place, (new.number,))]
    after: list[Unit] = []
    if old.line:
        reads += [Command(name, old.line.key, (old.sha1,)) for name in ("HGET", "PROFILE")]
        after += [rank_unit(project, old.ref, old.sha1, status) for status in (None, old.status)]
        after.append(profile_unit(project, old.ref, old.sha1))

    def judge(replies: Sequence[Any]) -> Verdict:
        if [*replies[:2]] != [old.document, new.document]:
            return [document_unit(kind, project, new.number.encode(), new.document)]
        mend = [
            Command("HSET", kind.identities(project), (new.digest, new.number)),
            *set_aside(kind, project, old.number.encode(), old.document),
            *(Command("ZREM", entry.key, (entry.member,)) for entry in old.entries),
        ]
        if old.line and replies[2]:
            kept = (b"\n" + replies[2]).replace(f"\n{old.line.text}\n".encode(), b"\n", 1)[1:]
            mend.append(_rows_write(old.line.key, old.sha1, kept))
            mend.append(Command("ZREM", keys.profiles(project, old.ref), (replies[3],)))
        wrong = f"has the identity of {kind.name} {new.number}, which is newer; to be set aside"
        return [Fault(key=place, member=old.number, wrong=wrong, mend=tuple(mend))]

    return Unit(tuple(reads), judge, tuple(after))


def _rows_write(key: str, sha1: str | bytes, lines: bytes) -> Command:
    return Command("HSET", key, (sha1, lines)) if lines else Command("HDEL", key, (sha1,))


def _missing_line(kind: Kind, record: Record, line: Line, lines: bytes) -> Verdict:
    row = f"{line.text}\n".encode()
    if b"\n" + row in b"\n" + lines:
        return []
    if lines and not lines.endswith(b"\n"):
        lines += b"\n"
    mend = Command("HSET", line.key, (line.sha1, lines + row))
    wrong = f"has no line {line.text}, and {kind.name} {record.number} calls for it"
    return [Fault(key=line.key, member=line.sha1, wrong=wrong, mend=(mend,))]


def entry_unit(kind: Kind, project: str, key: str, member: bytes) -> Unit:
    """Return the check of a member of a sorted set that a document must call for; its end tells which."""
    number = re.search(rb"(?:^|/)0*([0-9]+)$", member)
    reads = (
        Command("ZSCORE", key, (member,)),
        Command("HGET", kind.documents(project), (number[1] if number else b"",)),
    )

    def judge(replies: Sequence[Any]) -> Verdict:
        score, document = replies
        record = kind.read(project, document) if document else ""
        if score is None or (document and isinstance(record, str)):  # what is broken has been told by itself
            return []
        if isinstance(record, Record) and any((entry.key, entry.member) == (key, member) for entry in record.entries):
            return []
        return [Fault(key=key, member=member, wrong=_uncalled(kind, record), mend=(Command("ZREM", key, (member,)),))]

    return Unit(reads, judge)


def identity_unit(kind: Kind, project: str, digest: bytes, number: bytes) -> Unit:
    """Return the check of an identity that a document must have."""
    place = kind.identities(project)
    reads = Command("HGET", place, (digest,)), Command("HGET", kind.documents(project), (number,))

    def judge(replies: Sequence[Any]) -> Verdict:
        found, document = replies
        if found != number:
            return [] if found is None else [identity_unit(kind, project, digest, found)]
        record = kind.read(project, document) if document else ""
        if (document and isinstance(record, str)) or (isinstance(record, Record) and record.digest == digest):
            return []
        wrong = f"is {number.decode(errors='replace')}: {_uncalled(kind, record)}"
        return [Fault(key=place, member=digest.hex(), wrong=wrong, mend=(Command("HDEL", place, (digest,)),))]

    return Unit(reads, judge)


def row_unit(kind: Kind, project: str, key: str, sha1: bytes, value: bytes, below: int | None = None) -> Unit:
    """Return the check of the lines of a sha1, each of which a document must call for; of those `below` a number.

    The last come first, so that no line is passed over when others take lines away meanwhile: new ones are the last.
    """
    lines = value.removesuffix(b"\n").split(b"\n")
    below = len(lines) if below is None else min(below, len(lines))
    numbers = range(max(0, below - LINES), below)
    places = [re.search(rb"/([0-9]+)$", lines[number]) for number in numbers]
    documents = [Command("HGET", kind.documents(project), (place[1] if place else b"",)) for place in places]

    def judge(replies: Sequence[Any]) -> Verdict:
        if replies[0] != value:
            return [row_unit(kind, project, key, sha1, replies[0], below)] if replies[0] is not None else []
        wrong: dict[int, str] = {}
        for number, document in zip(numbers, replies[1:], strict=True):
            record = kind.read(project, document) if document else ""
            if document and isinstance(record, str):  # what is broken has been told by itself
                continue
            called = isinstance(record, Record) and record.line
            if not called or (called.key, called.sha1.encode(), called.text.encode()) != (key, sha1, lines[number]):
                wrong[number] = _uncalled(kind, record)
            elif lines[number] in lines[:number]:
                wrong[number] = "is there twice"
        kept = b"".join(line + b"\n" for number, line in enumerate(lines) if number not in wrong)
        mend = (_rows_write(key, sha1, kept),)
        told = [(lines[number].decode(errors="replace"), text) for number, text in wrong.items()]
        faults = [Fault(key=key, member=sha1, wrong=f"line {line!r}: {text}", mend=mend) for line, text in told]
        rest = [row_unit(kind, project, key, sha1, value, numbers.start)] if numbers.start else []
        return [*faults, *rest]

    return Unit((Command("HGET", key, (sha1,)), *documents), judge)


def _uncalled(kind: Kind, record: Record | str) -> str:
    if isinstance(record, str):
        return f"there is no such {kind.name}"
    return f"{kind.name} {record.number} does not call for it"
