"""The indexes that are made from other indexes: lists of names by their newest record, and profiles."""

import re
from collections.abc import Sequence
from typing import Any

from shaman.store import keys
from shaman.store.checking.steps import Command, Fault, Unit, Verdict

_LINE = re.compile(rb"^([^/\n]*)/.*/(\d+)/\d+$", re.MULTILINE)


def newest_unit(key: str, member: bytes | str, members: str) -> Unit:
    """Return the check of a name whose score is the greatest in the sorted set `members`."""
    reads = Command("ZSCORE", key, (member,)), Command("ZRANGE", members, (0, 0, "REV", "WITHSCORES"))

    def judge(replies: Sequence[Any]) -> Verdict:
        score, newest = replies
        return _compared(key, member, score, float(newest[1]) if newest else None, members)

    return Unit(reads, judge)


def name_unit(key: str, member: bytes | str, source: str | None) -> Unit:
    """Return the check of a name that is there if the key `source` is, and never if it is None."""
    reads = (Command("ZSCORE", key, (member,)), *([Command("EXISTS", source)] if source else []))

    def judge(replies: Sequence[Any]) -> Verdict:
        score, wanted = replies[0], any(replies[1:])
        if (score is None and not wanted) or (score is not None and wanted and float(score) == 0):
            return []
        if not wanted:
            wrong = f"is there, and {source} is not" if source else "is no name that belongs here"
            return [Fault(key=key, member=member, wrong=wrong, mend=(Command("ZREM", key, (member,)),))]
        wrong = f"is missing, and {source} is there" if score is None else f"has the score {float(score):.0f}"
        return [Fault(key=key, member=member, wrong=wrong, mend=(Command("ZADD", key, (0, member)),))]

    return Unit(reads, judge)


def rank_unit(project: str, ref: str, sha1: bytes | str, status: str | None) -> Unit:
    """Return the check of a sha1 in a ref whose score is the time of its newest row, of one status if that is given."""
    key, rows = keys.ref_sha1s(project, ref, status), keys.rows(project, ref)
    reads = Command("HGET", rows, (sha1,)), Command("ZSCORE", key, (sha1,))
    wanted = None if status is None else keys.quoted(status).encode()

    def judge(replies: Sequence[Any]) -> Verdict:
        lines, score = replies
        times = [float(time) for found, time in _LINE.findall(lines or b"") if wanted in (None, found)]
        return _compared(key, sha1, score, max(times, default=None), f"{rows} of it")

    return Unit(reads, judge)


def _compared(key: str, member: bytes | str, score: bytes | None, time: float | None, source: str) -> Verdict:
    if (None if score is None else float(score)) == time:
        return []
    is_ = "is missing" if score is None else f"is {float(score):.0f}"
    wrong = (
        f"{is_}, and there is nothing in {source}" if time is None else f"{is_}, the newest in {source} is {time:.0f}"
    )
    mend = Command("ZREM", key, (member,)) if time is None else Command("ZADD", key, (int(time), member))
    return [Fault(key=key, member=member, wrong=wrong, mend=(mend,))]


def profile_unit(project: str, ref: str, sha1: bytes | str, member: bytes | None = None) -> Unit:
    """Return the check of the profile of a sha1, and of `member`, which must be it if it is there."""
    key, rows = keys.profiles(project, ref), keys.rows(project, ref)
    read = Command("PROFILE", rows, (sha1,))
    if member is None:
        return Unit((read,), lambda replies: [profile_unit(project, ref, sha1, replies[0])] if replies[0] else [])

    def judge(replies: Sequence[Any]) -> Verdict:
        right, score = replies
        if right != member:
            wrong = f"is not the profile of {rows}"
            stray = Fault(key=key, member=member, wrong=wrong, mend=(Command("ZREM", key, (member,)),))
            return ([stray] if score is not None else []) + ([profile_unit(project, ref, sha1, right)] if right else [])
        if score is not None and float(score) == 0:
            return []
        wrong = "is missing" if score is None else f"has the score {float(score):.0f}"
        return [Fault(key=key, member=member, wrong=wrong, mend=(Command("ZADD", key, (0, member)),))]

    return Unit((read, Command("ZSCORE", key, (member,))), judge)
