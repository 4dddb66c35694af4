"""Many clients of two workers at once, and whether what they were told can be so.

Half of them keep their connection, and so their worker; the others have a new one for each call. They write, note,
move and delete a few records, and ask in both dialects, all at random.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from benchmark import processes

from shaman.store.embedded import Embedded
from shaman.store.wakeups import LEASE
from soaking.asking import Answer, Asker
from soaking.calls import Call, Told, Version, What
from soaking.judge import faults
from soaking.rows import Row

CLIENTS = 16
RECORDS = tuple(f"r{number}" for number in range(24))
STILL = 600
"""Records that nobody writes to: more than an answer holds in one piece, so that a dump is read page by page."""

REFS = ("main", "next", "wip/a")
SHA1S = tuple(f"a{number:x}" for number in range(12))
STATUSES = ("ready", "ready", "ready", "building")
PROJECT = "history"
CELL = "ubuntu/jammy"
PAUSE = 0.01
"""Seconds that a client waits between two calls at most: all together ask for hundreds a second."""

BUSY, ROUND = 2, 5
"""Seconds of many writes, of each so many: in the rest hardly any, so that a worker that hears nothing is found out."""

CALM = 0.006
"""The part of the writes that is left then: one or two a second."""

LAGS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, LEASE)
"""Seconds that other workers may be behind: the figure is the least that explains the history."""

PROMISED_LAG = 0.05
"""Seconds within which another worker follows, as the bench measures it."""


class Client:
    """One of the clients: makes calls at random and records them."""

    def __init__(self, url: str, random: Random, connections: Iterator[int], numbers: Iterator[int]) -> None:
        """Take the numbers of connections and writes from those that all clients share."""
        self._asker = Asker(url, processes.WRITER, connections, keeps=random.random() < 0.5)  # noqa: PLR2004
        self._random = random
        self._numbers = numbers
        self.calls: list[Call] = []

    def run(self, until: float) -> list[Call]:
        """Make calls until a moment."""
        writes: dict[Callable[[], None], int] = {self.put: 14, self.note: 7, self.delete: 3}
        reads: dict[Callable[[], None], int] = {self.newest: 46, self.sha1s: 20, self.ref: 8, self.dump: 2}
        while time.monotonic() < until:
            pace = 1 if time.monotonic() % ROUND < BUSY else CALM
            weights = [*(weight * pace for weight in writes.values()), *reads.values()]
            (way,) = self._random.choices([*writes, *reads], weights)
            way()
            time.sleep(self._random.random() * PAUSE)
        return self.calls

    def close(self) -> None:
        """Hang up."""
        self._asker.close()

    def put(self) -> None:
        """Write a whole record, which moves it if it stood elsewhere."""
        choose = self._random.choice
        version = Version(ref=choose(REFS), sha1=choose(SHA1S), status=choose(STATUSES))
        self.write(choose(RECORDS), version, self._dialect())

    def write(self, record: str, version: Version, dialect: str) -> None:
        """Write a whole record as `version`."""
        number = f"w{next(self._numbers)}"
        body = {
            "chacra_url": _url(record),
            "url": _url(number),
            "extra": {"note": number},
            "archs": ["x86_64"],
            "distro": "ubuntu",
            "distro_version": "jammy",
            "ref": version.ref,
            "sha1": version.sha1,
            "status": version.status,
        }
        self._post("put", record, number, body, dialect, version)

    def note(self) -> None:
        """Write the `extra` of a record alone."""
        record, number = self._random.choice(RECORDS), f"w{next(self._numbers)}"
        self._post("note", record, number, {"chacra_url": _url(record), "extra": {"note": number}}, self._dialect())

    def delete(self) -> None:
        """Take a record away."""
        record, number = self._random.choice(RECORDS), f"w{next(self._numbers)}"
        self._post("delete", record, number, {"chacra_url": _url(record), "status": "deleted"}, self._dialect())

    def newest(self) -> None:
        """Ask for the newest ready record of a ref."""
        ref = self._random.choice(REFS)
        quoted = ref.replace("/", "%2F")
        question = self._random.choice(
            [
                f"/search/{PROJECT}/{quoted}/",
                f"/search/{PROJECT}/{quoted}/?distros=ubuntu&common_sha1=true",
                f"/repos/{PROJECT}/{quoted}/latest/{CELL}/x86_64/",
                f"/api/repos/{PROJECT}/{quoted}/latest/{CELL}/",
                f"/api/search?project={PROJECT}&ref={quoted}&sha1=latest&distros={CELL}&status=ready",
            ]
        )
        self._ask("newest", question, ref, ready=True)

    def ref(self) -> None:
        """Ask for every record of a ref."""
        ref = self._random.choice(REFS)
        self._ask("ref", f"/api/search?project={PROJECT}&ref={ref.replace('/', '%2F')}", ref)

    def sha1s(self) -> None:
        """Ask for the sha1s of a ref."""
        ref, dialect = self._random.choice(REFS), self._dialect()
        path = f"{dialect}/repos/{PROJECT}/{ref.replace('/', '%2F')}/"
        self._ask("sha1s", path, ref, ready=not dialect)

    def dump(self) -> None:
        """Ask for everything."""
        self._ask("dump", f"/api/search?project={PROJECT}", "")

    def _dialect(self) -> str:
        return self._random.choice(["", "/api"])

    def _post(
        self, what: What, record: str, number: str, body: dict[str, Any], dialect: str, version: Version | None = None
    ) -> None:
        path = f"{dialect}/repos/{PROJECT}/"
        answer = self._asker.ask("POST", path, msgspec.json.encode(body))
        told = _told(answer) if not dialect and what != "delete" else []
        self._record(what, path, answer, record=record, number=number, version=version, told=tuple(told))

    def _ask(self, what: What, question: str, ref: str, *, ready: bool = False) -> None:
        answer = self._asker.ask("GET", question)
        names = msgspec.json.decode(answer.body) if what == "sha1s" and answer.status == _FOUND else ()
        told = [] if what == "sha1s" else _told(answer)
        moving = tuple(each for each in told if each.record in RECORDS)
        missing = STILL - len(told) + len(moving) if what == "dump" and answer.status == _FOUND else 0
        self._record(what, question, answer, ref=ref, ready=ready, told=moving, names=tuple(names), missing=missing)

    def _record(self, what: What, question: str, answer: Answer, **more: Any) -> None:
        call = Call(
            what=what,
            question=question,
            connection=answer.connection,
            begin=answer.begin,
            end=answer.end,
            status=answer.status,
            **more,
        )
        self.calls.append(call)


_FOUND = 200


def _url(name: str) -> str:
    return f"https://chacra.example.org/{name}"


def _told(answer: Answer) -> list[Told]:
    """Return the records of an answer, of either dialect."""
    if answer.status not in {200, 201}:
        return []
    found = msgspec.json.decode(answer.body)
    return [
        Told(
            record=_name(each["chacra_url"]),
            number=_name(each["url"]),
            note=each["extra"]["note"],
            version=Version(ref=each["ref"], sha1=each["sha1"], status=each["status"]),
            modified=each["modified"].replace(" ", "T").rstrip("Z"),
        )
        for each in (found if isinstance(found, list) else [found])
    ]


def _name(url: str) -> str:
    return str(url).rstrip("/").rpartition("/")[2]


def record(url: str, seconds: float, seed: int) -> list[Call]:
    """Return what all clients have seen in so many seconds, and at the end when all is quiet."""
    random, connections, numbers = Random(seed), count(1), count(1)  # noqa: S311 - not for secrets
    clients = [Client(url, Random(random.random()), connections, numbers) for _ in range(CLIENTS)]  # noqa: S311
    for number in range(STILL):
        clients[0].write(f"still{number}", Version(ref="still", sha1="b0", status="ready"), "/api")
    clients[0].calls.clear()
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        runs = list(pool.map(lambda client: client.run(until), clients))
    time.sleep(LEASE)
    for client in clients:
        client.dump()
        client.close()
    return [call for calls in runs for call in calls]


def measure(seconds: float, seed: int) -> Iterator[Row]:
    """Record a history against two workers on a store of their own, and tell what it breaks."""
    with (
        TemporaryDirectory(prefix="shaman-soak-") as folder,
        Embedded(Path(folder)) as store,
        processes.shaman(store.url, Path(folder), "--workers", "2") as service,
    ):
        history = record(service.url, seconds, seed)
    yield from rows(history, seconds)


def rows(history: Sequence[Call], seconds: float) -> Iterator[Row]:
    """Yield what there is to tell of a history."""
    found = faults(history, LEASE)
    writes = sum(call.acknowledged and call.what in {"put", "note", "delete"} for call in history)
    unknown = sum(call.unknown for call in history)
    what = f"{CLIENTS} clients of 2 workers for {seconds:.0f} s"
    yield Row(point="5", what=what, figure=f"{len(history):,} calls, {writes:,} writes, {unknown} without an answer")
    told = "; ".join([f"{len(found)} anomalies", *found[:3]])
    yield Row(point="5", what="calls that no order of the writes explains", figure=told, promised="0", kept=not found)
    if not found:
        lag = LAGS[bisect_left(LAGS, True, key=lambda lag: not faults(history, lag))]
        figure, promised = f"<= {lag * 1000:g} ms", f"<= {PROMISED_LAG * 1000:g} ms"
        yield Row(
            point="5", what="another worker is behind", figure=figure, promised=promised, kept=lag <= PROMISED_LAG
        )
