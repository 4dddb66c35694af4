"""Point 4, first half: `kill -9` at random moments, of the parts of a service and of its store, under load."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

import httpx
from msgspec import Struct, field
from redis.asyncio import Redis

from shaman.store.embedded import Embedded
from soaking import processes
from soaking.builders import BUILDERS, Builder, Tally
from soaking.processes import Process
from soaking.rows import Row
from soaking.verdict import faults_of

POINT = "kills"
ROUNDS = 50
PAUSE = (0.05, 0.8)
"""Seconds from recovery to the next kill."""

MOST = 25_000
"""Writes of one run: the change streams of its projects keep that many."""

RECOVERY_SECONDS = 60


class Result(Struct):
    """What was seen: the seconds from each kill until writes were acknowledged that were posted behind it."""

    tally: Tally = field(default_factory=Tally)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list)


def measure(seconds: float, seed: int) -> Iterator[Row]:
    """Kill 50 times with a sync before each answer, again and again, and for a third of the time with one a second."""
    deadline = time.monotonic() + seconds * 2 / 3
    results = []
    for run in itertools.count():
        results.append(asyncio.run(own_store(ROUNDS, seed + run, lambda: time.monotonic() < deadline)))
        if time.monotonic() > deadline:
            break
    yield from rows("appendfsync always", results, promised="0")
    deadline = time.monotonic() + seconds / 3
    result = asyncio.run(every_second(ROUNDS, seed, lambda: time.monotonic() < deadline))
    yield from rows("appendfsync everysec", [result], promised="")


def rows(name: str, results: list[Result], promised: str) -> Iterator[Row]:
    """Tell what was seen."""
    acknowledged = sum(result.tally.acknowledged for result in results)
    yield Row(point=POINT, what=f"{name}: writes acknowledged", figure=f"{acknowledged:,}")
    for victim in results[0].recoveries:
        times = [seconds for result in results for seconds in result.recoveries[victim]]
        figure = f"{len(times)} times; writes again after {median(times):.2f} s, at most {max(times):.2f} s"
        yield Row(point=POINT, what=f"{name}: {victim} killed", figure=figure)
    wrong = [text for result in results for text in (*result.tally.wrong, *result.faults)]
    figure = f"{len(wrong):,}" + "".join(f"; {text}" for text in wrong[:3])
    what = f"{name}: acknowledged writes lost or half there"
    yield Row(point=POINT, what=what, figure=figure, promised=promised, kept=not promised or not wrong)


async def own_store(rounds: int, seed: int, go_on: Callable[[], bool]) -> Result:
    """Kill the parts of a service with a store of its own: workers, the parent that ends all, and the store."""
    with TemporaryDirectory(prefix="shaman-soak-") as folder, processes.service(Path(folder)) as service:

        def kill(victim: str) -> float:
            children, killed = service.children(), time.monotonic()
            if victim == "parent":
                service.kill()
                processes.await_end(children)
                service.start()
            else:
                processes.kill(next(pid for pid in children if processes.is_store(pid) == (victim == "store")))
            return killed

        result, builders = await under_load(("worker", "parent", "store"), rounds, seed, service, kill, go_on)
        await asyncio.to_thread(service.stop)
        with Embedded(Path(folder, "var")) as store:
            async with Redis.from_url(store.url) as client:
                result.faults = await faults_of(client, builders)
    return result


async def every_second(rounds: int, seed: int, go_on: Callable[[], bool]) -> Result:
    """Kill a store that syncs its file once a second."""
    with TemporaryDirectory(prefix="shaman-soak-") as folder, ExitStack() as stack:
        store = stack.enter_context(processes.store(Path(folder, "store"), "--appendfsync", "everysec"))
        url = f"redis://127.0.0.1:{store.port}"
        service = stack.enter_context(processes.service(Path(folder, "service"), url))

        def kill(_: str) -> float:
            killed = time.monotonic()
            store.kill()
            store.start()
            return killed

        result, builders = await under_load(("store",), rounds, seed, service, kill, go_on)
        async with Redis.from_url(url) as client:
            result.faults = await faults_of(client, builders)
    return result


async def under_load(
    victims: tuple[str, ...],
    rounds: int,
    seed: int,
    service: Process,
    kill: Callable[[str], float],
    go_on: Callable[[], bool],
    pause: tuple[float, float] = PAUSE,
) -> tuple[Result, list[Builder]]:
    """Kill one after the other while builders write; all of them are acknowledged or given up in the end.

    `kill` returns when it did, by the monotonic clock.
    """
    result, random, done = Result(), Random(seed), asyncio.Event()  # noqa: S311 - it decides only when
    builders = [Builder(number, seed, result.tally) for number in range(BUILDERS)]
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        tasks = [asyncio.create_task(builder.work(client, lambda: not done.is_set())) for builder in builders]
        for number in range(rounds):
            await asyncio.sleep(random.uniform(*pause))
            if not go_on() or result.tally.acknowledged > MOST:
                break
            victim = victims[number % len(victims)]
            killed = await asyncio.to_thread(kill, victim)
            await recovered(result.tally, killed)
            result.recoveries[victim].append(time.monotonic() - killed)
        await asyncio.sleep(pause[0])
        done.set()
        await asyncio.gather(*tasks)
    return result, builders


async def recovered(tally: Tally, since: float) -> None:
    """Return when a write to each project has been acknowledged that was posted after `since`."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while min(tally.newest.values()) < since:  # noqa: ASYNC110 - a moment later is as good
            await asyncio.sleep(0.005)
