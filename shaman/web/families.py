"""Every number that `/metrics` tells: its name, its labels, and how those of several workers become one."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Literal

from msgspec import Struct
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from shaman.board import Rows
from shaman.measures import SECONDS

WAITS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
"""Upper bounds of the seconds that `wait=` has taken."""

Kind = Literal["counter", "gauge", "histogram"]


class Family(Struct, frozen=True):
    """One name. What is no gauge goes on where a dead worker has left it, as a counter must not go back."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    merge: Callable[[Iterable[float]], float] = sum
    bounds: tuple[float, ...] = SECONDS


FAMILIES = {
    "shaman_requests": Family("counter", "Requests answered; status 0 got no answer.", ("route", "method", "status")),
    "shaman_faults": Family("counter", "Answers 500: faults of the service, not those of /_health/."),
    "shaman_request_seconds": Family(
        "histogram", "Seconds until an answer begins, of requests that did not wait.", ("route",)
    ),
    "shaman_wait_seconds": Family("histogram", "Seconds that requests with wait= have waited.", bounds=WAITS),
    "shaman_answer_bytes": Family("counter", "Bytes of the bodies of answers."),
    "shaman_cut_answers": Family("counter", "Answers that did not come to their end."),
    "shaman_waiters": Family("gauge", "Requests that wait for a change."),
    "shaman_event_listeners": Family("gauge", "Clients that follow /events."),
    "shaman_cache_hits": Family("counter", "Answers from memory."),
    "shaman_cache_misses": Family("counter", "Answers that could have come from memory, and were not there."),
    "shaman_cache_drops": Family("counter", "Answers dropped from memory, as what they told has changed."),
    "shaman_cache_evictions": Family("counter", "Answers dropped from memory to make room for others."),
    "shaman_cache_bytes": Family("gauge", "Bytes of the answers in memory."),
    "shaman_cache_answers": Family("gauge", "Answers in memory."),
    "shaman_store_seconds": Family("histogram", "Seconds of a round trip to the store."),
    "shaman_store_errors": Family("counter", "Round trips that failed."),
    "shaman_store_up": Family("gauge", "Whether the store answered just now."),
    "shaman_wakeups_heard_timestamp_seconds": Family(
        "gauge", "When the store was last heard of by the worker that has not heard for longest.", merge=min
    ),
    "shaman_wakeups_trusted": Family("gauge", "Whether every worker hears of every change.", merge=min),
    "shaman_nodes_known": Family("gauge", "Storage nodes in the pool."),
    "shaman_nodes_up": Family("gauge", "Storage nodes that are up."),
    "shaman_failed_logins": Family("counter", "Wrong credentials."),
    "shaman_refused_logins": Family("counter", "Logins refused after too many failed ones."),
    "shaman_log_lines_dropped": Family("counter", "Lines of the log that nobody read in time."),
    "shaman_workers": Family("gauge", "Worker processes."),
    "shaman_worker_starts": Family("counter", "Worker processes started, the first ones too."),
    "shaman_worker_start_timestamp_seconds": Family("gauge", "When the youngest worker started.", merge=max),
    "shaman_cpu_seconds": Family("counter", "Seconds of processor time."),
    "shaman_resident_bytes": Family("gauge", "Memory of all workers; what they share is counted for each."),
    "shaman_open_files": Family("gauge", "Open files and connections of the worker that has most.", merge=max),
    "shaman_max_files": Family("gauge", "Files and connections that a worker may have open.", merge=min),
}
"""By name; counters get `_total` behind it, histograms `_bucket`, `_sum` and `_count`."""


def merged(told: Iterable[Rows]) -> Rows:
    """Return the numbers of several workers as one."""
    together: dict[tuple[str, ...], list[list[float]]] = {}
    for rows in told:
        for name, numbers in rows.items():
            together.setdefault(name, []).append(numbers)
    return {
        name: [FAMILIES[name[0]].merge(column) for column in zip(*each, strict=True)] for name, each in together.items()
    }


def lasting(rows: Rows) -> Rows:
    """Return of the numbers of a dead worker what the next one goes on with."""
    return {name: numbers for name, numbers in rows.items() if FAMILIES[name[0]].kind != "gauge"}


class Collected:
    """Rows as prometheus_client takes them."""

    def __init__(self, rows: Rows) -> None:
        """Tell of `rows`."""
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        """Yield every family that has a number."""
        for name, family in FAMILIES.items():
            found = sorted((row[1:], numbers) for row, numbers in self._rows.items() if row[0] == name)
            if found:
                yield _metric(name, family, found)


def _metric(name: str, family: Family, found: list[tuple[tuple[str, ...], list[float]]]) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(name, family.help, labels=family.labels)
        bounds = [*map(str, family.bounds), "+Inf"]
        for labels, (*counts, total) in found:
            histogram.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
        return histogram
    metric: CounterMetricFamily | GaugeMetricFamily
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = make(name, family.help, labels=family.labels)
    for labels, (number,) in found:
        metric.add_metric(labels, number)
    return metric
