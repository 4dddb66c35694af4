"""Two services side by side, burst against burst, and what came of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace
from redis import Redis

from benchmark import processes
from benchmark.processes import Service
from benchmark.questions import Question
from benchmark.wrk import CONNECTIONS, Burst, Traffic, burst

ROOM = 10**7
"""POSTs of a comparison at most: the numbers of two never meet."""

_rooms = count(1)

Beside = Callable[[], AbstractContextManager[object]]
"""What goes on during a burst."""


class Figure(Struct, frozen=True, kw_only=True):
    """What was measured for a bar.

    A ratio has the `rate` and that of what it was compared with, both in requests a second, and the same ratio by
    processor time, which others on the machine disturb less. `trips` is how often the store read from its clients for
    one request: its round trips, and the opening of connections.
    """

    bar: str
    name: str
    figure: float
    note: str = ""
    rate: float | None = None
    other: float | None = None
    by_cpu: float | None = None
    trips: float | None = None
    latency: dict[str, float] = field(default_factory=dict)
    other_latency: dict[str, float] = field(default_factory=dict)


class How(Struct, frozen=True, kw_only=True):
    """What is asked, for how many seconds at a time and how many times, and who is told of each figure."""

    chief: Sequence[Question]
    hot: Sequence[Question]
    seconds: int
    rounds: int
    tell: Callable[[Figure], None]


class Rig(Struct, frozen=True, kw_only=True):
    """A store with the records of so many pushes, and how it is measured."""

    url: str
    folder: Path
    how: How
    pushes: int = 0

    def shaman(self, *options: str) -> AbstractContextManager[Service]:
        """Serve the store."""
        return processes.shaman(self.url, self.folder, *options)

    def against_empty(self, service: Service, traffic: Traffic, size: int, **named: Any) -> Figure:
        """Measure how many times as fast as an empty handler a service is, in answers of a size."""
        empty_traffic = Traffic(targets=["/"], bodies=traffic.bodies, headers=traffic.headers)
        with processes.empty(size) as empty:
            return self.compare((service, traffic), (empty, empty_traffic), note=f"{size:,} B", **named)

    def compare(
        self,
        one: tuple[Service, Traffic],
        other: tuple[Service, Traffic],
        *,
        beside: Beside = nullcontext,
        note: str = "",
        **named: Any,
    ) -> Figure:
        """Measure how many times as fast one is as the other, in turns; `beside` goes on during the bursts of `one`."""
        ones, others = [], []
        turn = len(one[1].bodies or "")
        first = next(_rooms) * ROOM // turn * turn if turn else 0  # from the first body on: they undo each other
        for _ in range(self.how.rounds):
            with beside():
                ones.append(counted_burst(*one, self.how.seconds, first))
            first += ones[-1].requests + CONNECTIONS
            others.append(counted_burst(*other, self.how.seconds, first))
        rate, other_rate = (median(seen.rate for seen in bursts) for bursts in (ones, others))
        cpu, other_cpu = (median(seen.cpu for seen in bursts) for bursts in (ones, others))
        figure = Figure(
            **named,
            figure=rate / other_rate,
            note=note,
            rate=rate,
            other=other_rate,
            by_cpu=other_cpu / cpu if cpu else None,
            trips=sum(seen.trips for seen in ones) / sum(seen.requests for seen in ones),
            latency=_middle(ones),
            other_latency=_middle(others),
        )
        self.how.tell(figure)
        return figure

    def client(self) -> Redis:
        """Return a client of the store."""
        return connect(self.url)

    def memory(self) -> int:
        """Return the bytes that the store uses."""
        return told(self.url, "memory")["used_memory"]


def counted_burst(service: Service, traffic: Traffic, seconds: int, first: int) -> Burst:
    """Send traffic and count what it cost the store.

    Raises RuntimeError if less was asked of the store than there were requests, and each had to ask.
    """
    if not service.store:
        return burst(service, traffic, seconds, first)
    before = told(service.store, "stats")
    seen = burst(service, traffic, seconds, first)
    after = told(service.store, "stats")
    trips, commands = (after[name] - before[name] for name in ("total_reads_processed", "total_commands_processed"))
    if traffic.asks_store and commands < seen.requests:
        raise RuntimeError(f"{commands} commands for {seen.requests} requests like {traffic.targets[0]}: not all asked")
    return replace(seen, trips=trips)


def told(url: str, section: str) -> dict[str, int]:
    """Return what the store at a URL tells of itself."""
    with connect(url) as client:
        answer: Any = client.info(section)
    return dict(answer)


def connect(url: str) -> Redis:
    """Return a client of the store at a URL."""
    client: Redis = Redis.from_url(url)
    return client


def _middle(bursts: Sequence[Burst]) -> dict[str, float]:
    return {name: median(seen.latency[name] for seen in bursts) for name in bursts[0].latency}
