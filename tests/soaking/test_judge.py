"""The judge of histories, on histories made by hand: every kind of anomaly is found, and what is promised is none."""

from typing import Any

import pytest
from msgspec.structs import replace
from soaking.calls import Call, Told, Version, What
from soaking.judge import faults

LAG = 1.0


def call(what: What, begin: float, end: float, connection: int = 0, status: int = 200, **more: Any) -> Call:
    """Return a call; without a connection of its own each has another."""
    return Call(what=what, begin=begin, end=end, connection=connection or int(begin * 1000), status=status, **more)


def version(ref: str = "main", sha1: str = "a0", status: str = "ready") -> Version:
    """Return a version of a record."""
    return Version(ref=ref, sha1=sha1, status=status)


def put(number: int, begin: float, end: float, record: str = "r", connection: int = 0, **where: str) -> Call:
    """Return a write of a record."""
    return call("put", begin, end, connection, record=record, number=f"w{number}", version=version(**where))


def told(number: int, record: str = "r", note: int = 0, time: int = 0, **where: str) -> tuple[Told, ...]:
    """Return a record as an answer tells it."""
    note = note or number
    modified = f"t{time or note}"
    return (Told(record=record, number=f"w{number}", note=f"w{note}", version=version(**where), modified=modified),)


def dump(begin: float, end: float, *tellings: tuple[Told, ...], connection: int = 0, missing: int = 0) -> Call:
    """Return an answer with every record."""
    return call("dump", begin, end, connection, told=sum(tellings, ()), missing=missing)


def newest(begin: float, end: float, telling: tuple[Told, ...], connection: int = 0, status: int = 200) -> Call:
    """Return an answer with the newest record of the ref `main`."""
    return call("newest", begin, end, connection, status, ref="main", ready=True, told=telling, question="/latest/")


def sha1s(begin: float, end: float, *names: str) -> Call:
    """Return an answer with the sha1s of the ref `main`."""
    return call("sha1s", begin, end, ref="main", ready=True, names=names)


def note(number: int, begin: float, end: float, status: int = 200) -> Call:
    """Return a write of the `extra` of a record."""
    return call("note", begin, end, status=status, record="r", number=f"w{number}")


def delete(number: int, begin: float, end: float, status: int = 200) -> Call:
    """Return a deletion."""
    return call("delete", begin, end, status=status, record="r", number=f"w{number}")


SOUND = {
    "written and read": [put(1, 1, 2), dump(3, 4, told(1)), newest(3, 4, told(1)), sha1s(3, 4, "a0")],
    "another worker is a little behind": [put(1, 1, 2), put(2, 5, 6), dump(6.5, 6.6, told(1)), dump(8, 9, told(2))],
    "both writes of a moment": [put(1, 1, 4), note(2, 1, 4), dump(5, 6, told(1, note=2))],
    "one of two writes of a moment": [put(1, 1, 2), put(2, 3, 9), put(3, 3, 9), dump(15, 16, told(2))],
    "refused where nothing is": [note(1, 1, 2, status=400), put(2, 3, 4), dump(6, 7, told(2))],
    "gone back by a deletion": [
        *(put(1, 1, 2, record="o"), put(2, 3, 4), newest(6, 7, told(2), 5)),
        *(delete(3, 8, 9), newest(11, 12, told(1, record="o"), 5), dump(12, 13, told(1, record="o"))),
    ],
    "gone back by a downgrade": [
        *(put(1, 1, 2, record="o"), put(2, 3, 4), newest(6, 7, told(2), 5)),
        *(put(3, 8, 9, status="building"), newest(11, 12, told(1, record="o"), 5)),
    ],
    "never told whether it was made": [put(1, 1, 2), delete(2, 3, 4, status=0), dump(6, 7, told(1)), dump(8, 9)],
    "told to come again": [put(1, 1, 2), delete(2, 3, 4, status=503), newest(5, 6, (), status=503), dump(8, 9)],
}

UNSOUND = {
    "a lost write": ([put(1, 1, 2), put(2, 3, 4), dump(6, 7, told(1))], "no order"),
    "a lost write of one field": ([put(1, 1, 2), note(2, 3, 4), dump(6, 7, told(1))], "r, extra: no order"),
    "a deletion undone": ([put(1, 1, 2), delete(2, 3, 4), dump(6, 7, told(1))], "no order"),
    "older than its own write": (
        [put(1, 1, 2), put(2, 5, 6, connection=9), dump(6.1, 6.2, told(1), connection=9)],
        "no order",
    ),
    "behind for too long": ([put(1, 1, 2), put(2, 5, 6), dump(7.5, 7.6, told(1))], "no order"),
    "not in a dump": ([put(1, 1, 2), dump(4, 5)], "no order"),
    "not in a dump, and never written to": ([dump(4, 5, missing=1)], "does not tell 1 records"),
    "refused where something is": ([put(1, 1, 2), note(2, 3, 4, status=400)], "no order"),
    "never existed": ([put(1, 1, 2), dump(4, 5, told(7))], "never existed"),
    "half of one and half of another": ([put(1, 1, 2), dump(4, 5, told(1, sha1="b1"))], "never existed"),
    "one write with two times": ([put(1, 1, 2), dump(4, 5, told(1)), dump(6, 7, told(1, time=8))], "was written at"),
    "not the newest": (
        [
            put(1, 1, 2, record="o"),
            put(2, 3, 4),
            dump(5, 6, told(1, record="o"), told(2)),
            newest(6, 7, told(1, record="o")),
        ],
        "does not tell w2",
    ),
    "no newest": ([put(1, 1, 2), newest(4, 5, (), status=404)], "does not tell w1"),
    "gone back": (
        [
            *(put(1, 1, 2, record="o"), put(2, 3, 4), newest(4.1, 4.2, told(2), 5)),
            newest(4.3, 4.4, told(1, record="o"), 5),
        ],
        "goes back",
    ),
    "gone back to nothing": ([put(1, 1, 2), newest(2.1, 2.2, told(1), 5), newest(2.3, 2.4, (), 5, 404)], "to nothing"),
    "a ref without its record": ([put(1, 1, 2), call("ref", 4, 5, ref="main")], "does not tell r"),
    "a sha1 left out": ([put(1, 1, 2), sha1s(4, 5)], "does not tell a0"),
    "a sha1 made up": ([put(1, 1, 2), sha1s(4, 5, "a0", "b1")], "tells b1"),
    "a sha1 that is gone": ([put(1, 1, 2), delete(2, 3, 4), sha1s(6, 7, "a0")], "tells a0"),
    "a fault of the service": ([newest(1, 2, (), status=500)], "answered 500"),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_is_promised_is_no_anomaly(name: str) -> None:
    """A history that is as promised has none."""
    assert faults(SOUND[name], LAG) == []


@pytest.mark.parametrize("name", UNSOUND)
def test_every_anomaly_is_found(name: str) -> None:
    """A history that breaks a promise has one, and the answer says which."""
    history, why = UNSOUND[name]
    found = faults(history, LAG)
    assert any(why in each for each in found), found


def test_another_worker_may_not_be_behind_a_lag_of_nothing() -> None:
    """What is sound with a lag is an anomaly without."""
    history = SOUND["another worker is a little behind"]
    assert faults(history, 0)
    assert faults([replace(each, connection=1) for each in history], LAG)
