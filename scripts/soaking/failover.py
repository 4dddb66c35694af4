"""Point 4, second half: the master of a replicated store dies under load, and another takes its place.

Replication is asynchronous, so what the replicas do not have yet dies with the master. On one machine they have it at
once; so in half of the rounds the replicas are cut off from the master a moment before it dies.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from redis import Redis

from shaman.store.connection import connect
from soaking import processes
from soaking.groups import Group, cluster, sentinels
from soaking.kills import Result, under_load
from soaking.rows import Row
from soaking.verdict import faults_of

POINT = "failover"
CUT_OFF = 0.5
"""Seconds from the cut between master and replicas to the death of the master."""

AWAY = 3.0
"""Seconds until the dead one is back, as a replica: what has a single replica has none meanwhile."""

PAUSE = (1.0, 2.0)
"""Seconds of load before the death, and the first of them after it."""

MIN_REPLICAS = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "2")


class Case(NamedTuple):
    """What is set up and what happens to it; `promised` tells whether no acknowledged write may be lost."""

    kind: str
    protection: str
    cut: bool

    @property
    def promised(self) -> bool:
        """Whether no acknowledged write may be lost."""
        return self.protection == "replicas_to_ack = 1"

    def __str__(self) -> str:
        """Name it."""
        return f"{self.kind}, {self.protection}, " + ("cut off, then killed" if self.cut else "killed")


CASES = [
    Case(kind, protection, cut)
    for kind, protection, cut in product(
        ("Sentinel", "cluster"), ("no protection", "min-replicas-to-write 1", "replicas_to_ack = 1"), (False, True)
    )
]


def measure(seconds: float, seed: int) -> Iterator[Row]:
    """Let each case happen, again and again as time allows; every case once at least."""
    deadline = time.monotonic() + seconds
    results: dict[Case, list[Result]] = {case: [] for case in CASES}
    longest = 0.0
    while not longest or time.monotonic() + longest < deadline:
        started = time.monotonic()
        for case in CASES:
            results[case].append(asyncio.run(fail_over(case, seed + len(results[case]))))
        longest = max(longest, time.monotonic() - started)
    for case, seen in results.items():
        yield from rows(case, seen)


def rows(case: Case, results: list[Result]) -> Iterator[Row]:
    """Tell what was seen."""
    times = [result.recoveries["master"][0] for result in results]
    acknowledged = sum(result.tally.acknowledged for result in results)
    wrong = [text for result in results for text in (*result.tally.wrong, *result.faults)]
    lost = sum("must be one of" in text for text in wrong)
    figure = f"writes again after {median(times):.1f} s, at most {max(times):.1f} s; {lost} of {acknowledged:,} lost"
    if len(wrong) > lost or (wrong and case.promised):
        broken = [text for text in wrong if case.promised or "must be one of" not in text]
        figure += f"; {broken[0]}"
        yield Row(point=POINT, what=str(case), figure=figure, promised="0 lost", kept=False)
    else:
        yield Row(point=POINT, what=str(case), figure=figure, promised="0 lost" if case.promised else "")


async def fail_over(case: Case, seed: int) -> Result:
    """Kill a master under load, and tell what the store that is left has of what was acknowledged."""
    with TemporaryDirectory(prefix="shaman-soak-") as folder, ExitStack() as stack:
        start: Callable[[ExitStack, Path, tuple[str, ...]], Group] = sentinels if case.kind == "Sentinel" else cluster
        options = MIN_REPLICAS if case.protection.startswith("min-replicas") else ()
        group = await asyncio.to_thread(start, stack, Path(folder), options)
        settings = f"[redis]\n{case.protection}\n" if case.promised else ""
        service = processes.service(Path(folder, "service"), group.url, settings)
        await asyncio.to_thread(stack.enter_context, service)
        back = threading.Timer(AWAY, group.master.start)
        stack.callback(back.join)
        kill = partial(kill_master, group, back, cut=case.cut)
        result, builders = await under_load(("master",), 1, seed, service, kill, lambda: True, PAUSE)
        client = connect(group.url, 4)
        result.faults = await faults_of(client, builders)
        await client.aclose()
    return result


def kill_master(group: Group, back: threading.Timer, _: str, *, cut: bool) -> float:
    """Kill the master, which is cut off from its replicas before if so asked; when."""
    if cut:
        with Redis(port=group.master.port) as client:
            client.execute_command("ACL SETUSER", "default", "-psync", "-sync")  # or they are back at once
            client.client_kill_filter(_type="replica")
        time.sleep(CUT_OFF)
    killed = time.monotonic()
    group.master.kill()
    back.start()
    return killed
