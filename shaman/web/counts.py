"""What a worker counts, and where it tells of it.

It counts in plain numbers and puts them on the board once a second; whoever is asked adds up what is there. No number
has the name of a record, a user or an address: the labels are few, and known beforehand.
"""

import asyncio
import os
import resource
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from shaman.board import Board, Place, Rows
from shaman.logs import Lines
from shaman.measures import Times
from shaman.store import Store
from shaman.tasks import end_task
from shaman.web.cache import AnswerCache
from shaman.web.families import WAITS, lasting, merged
from shaman.web.logins import FailedLogins
from shaman.web.telemetry import Asked
from shaman.web.waiting import Waiting

EVERY = 1.0
"""Seconds between two times that a worker tells its numbers: so old is what another worker tells of it."""

HEALTH = "/_health/"
"""The route that answers 500 without any fault of the service."""

METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})
"""Methods that have a label of their own: nobody can make more labels by asking in strange ways."""


class Counts:
    """The numbers of one worker."""

    def __init__(
        self,
        store: Store,
        failed_logins: FailedLogins,
        answers: AnswerCache | None,
        waiting: Waiting,
        lines: Lines | None,
    ) -> None:
        """Tell of these; `take_place` says where."""
        self._store = store
        self._failed_logins = failed_logins
        self._answers = answers
        self._waiting = waiting
        self._lines = lines
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: defaultdict[str, Times] = defaultdict(Times)
        self._waits = Times(WAITS)
        self._bytes = self._cut = 0
        self._began = time.time()
        self.take_place(Board(1).places[0])

    def take_place(self, place: Place) -> None:
        """Tell of it there, and go on where a dead worker has left that place."""
        self._place = place
        self._before = lasting(place.read())

    def count(self, asked: Asked) -> None:
        """Count a request that has been answered."""
        method = asked.method if asked.method in METHODS else "other"
        self._requests[asked.route, method, asked.status] += 1
        if asked.waited:
            self._waits.note(asked.answered - asked.begun)
        elif asked.status:
            self._seconds[asked.route].note(asked.answered - asked.begun)
        self._bytes += asked.size
        self._cut += not asked.whole

    async def tell_on(self) -> AsyncGenerator[None, None]:
        """Tell every second while the application serves, and once more at its end."""

        async def tell() -> None:
            while True:
                self.tell()
                await asyncio.sleep(EVERY)

        telling = asyncio.create_task(tell())
        yield
        await end_task(telling)
        self.tell()

    def tell(self) -> None:
        """Put the numbers of now on the board."""
        self._place.write(merged([self._before, self._rows()]))

    def of_all(self) -> Rows:
        """Return the numbers of all workers together."""
        self.tell()
        return merged(place.read() for place in self._place.board.places)

    def _rows(self) -> Rows:
        single = self._web() | self._changes() | self._process()
        rows: Rows = {(name,): [number] for name, number in single.items()}
        for (route, method, status), number in self._requests.items():
            rows["shaman_requests", route, method, str(status)] = [float(number)]
        for route, times in self._seconds.items():
            rows["shaman_request_seconds", route] = times.numbers()
        rows["shaman_wait_seconds",] = self._waits.numbers()
        rows["shaman_store_seconds",] = self._store.round_trips.times.numbers()
        return rows

    def _web(self) -> dict[str, float]:
        told = {
            "shaman_answer_bytes": self._bytes,
            "shaman_faults": sum(
                number
                for (route, _, status), number in self._requests.items()
                if status == HTTPStatus.INTERNAL_SERVER_ERROR and route != HEALTH
            ),
            "shaman_cut_answers": self._cut,
            "shaman_waiters": len(self._waiting),
            "shaman_event_listeners": self._store.feed.listeners,
            "shaman_failed_logins": self._failed_logins.failed,
            "shaman_refused_logins": self._failed_logins.refused,
            "shaman_log_lines_dropped": self._lines.dropped if self._lines else 0,
        }
        if self._answers is not None:
            told |= {
                "shaman_cache_hits": self._answers.hits,
                "shaman_cache_misses": self._answers.misses,
                "shaman_cache_drops": self._answers.drops,
                "shaman_cache_evictions": self._answers.evictions,
                "shaman_cache_bytes": self._answers.size,
                "shaman_cache_answers": len(self._answers),
            }
        return dict(told)

    def _changes(self) -> dict[str, float]:
        wakeups = self._store.wakeups
        return {
            "shaman_store_errors": self._store.round_trips.failed,
            "shaman_wakeups_heard_timestamp_seconds": time.time() - wakeups.silence,
            "shaman_wakeups_trusted": float(wakeups.trusted()),
        }

    def _process(self) -> dict[str, float]:
        told: dict[str, float] = {
            "shaman_workers": 1,
            "shaman_worker_starts": 1,
            "shaman_worker_start_timestamp_seconds": self._began,
            "shaman_cpu_seconds": time.process_time(),
            "shaman_max_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        }
        with suppress(OSError):  # only Linux tells in this way
            pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
            told["shaman_resident_bytes"] = pages * resource.getpagesize()
            told["shaman_open_files"] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no path is made of them
        return told
