"""Point 3: writes through a network that fails, and what the store has of them afterwards."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from msgspec import Struct
from redis.asyncio import Redis

from soaking import processes
from soaking.builders import BUILDERS, Builder, Tally
from soaking.proxy import Fault, FaultProxy
from soaking.rows import Row
from soaking.verdict import faults_of

POINT = "writes"
WRITES = 10_000
RATE = 0.03
"""Messages between service and store that meet a fault."""


class Result(Struct):
    """What was seen."""

    tally: Tally
    happened: Counter[Fault]
    seconds: float
    faults: list[str]


def measure(seconds: float, seed: int) -> Iterator[Row]:
    """Write 10,000 times to a new store, again and again, and tell what was lost."""
    deadline = time.monotonic() + seconds
    results = []
    for run in itertools.count():
        results.append(asyncio.run(drive(WRITES, seed + run, RATE, lambda: time.monotonic() < deadline)))
        if time.monotonic() > deadline:
            break
    yield from rows(results)


def rows(results: list[Result]) -> Iterator[Row]:
    """Tell what was seen."""
    tallies = [result.tally for result in results]
    wrong = [text for result in results for text in (*result.tally.wrong, *result.faults)]
    happened = sum((result.happened for result in results), Counter[Fault]())
    acknowledged = sum(tally.acknowledged for tally in tallies)
    figure = f"{acknowledged:,} in {sum(result.seconds for result in results):.0f} s, on {len(results)} new stores"
    yield Row(point=POINT, what="writes acknowledged", figure=figure)
    yield Row(point=POINT, what="faults between service and store", figure=f"{happened.total():,}")
    for fault, times in sorted(happened.items()):
        yield Row(point=POINT, what=f"- {fault}", figure=f"{times:,}")
    repeated, given_up = sum(tally.repeated for tally in tallies), sum(tally.given_up for tally in tallies)
    yield Row(point=POINT, what="answers 503 or none, repeated", figure=f"{repeated:,}")
    yield Row(point=POINT, what="writes given up without an answer", figure=f"{given_up:,}")
    yield Row(point=POINT, what="slowest answer", figure=f"{max(tally.slowest for tally in tallies):.2f} s")
    yield Row(
        point=POINT,
        what="lost, doubled, half there, out of an index or the stream",
        figure=f"{len(wrong):,}" + "".join(f"; {text}" for text in wrong[:3]),
        promised="0",
        kept=not wrong,
    )


async def drive(writes: int, seed: int, rate: float, go_on: Callable[[], bool]) -> Result:
    """Have builders write through a proxy that fails, on a store and a service of its own."""
    with TemporaryDirectory(prefix="shaman-soak-") as folder, processes.store(Path(folder, "store")) as store:
        url = f"redis://127.0.0.1:{store.port}"
        async with FaultProxy(url, 0, seed) as proxy:
            service = processes.service(Path(folder, "service"), proxy.url)
            await asyncio.to_thread(service.start)
            try:
                proxy.rate = rate
                tally, builders, seconds = await write(service.url, writes, seed, go_on)
                await proxy.settle()
            finally:
                await asyncio.to_thread(service.stop)
        async with Redis.from_url(url) as client:
            return Result(tally, proxy.happened, seconds, await faults_of(client, builders))


async def write(url: str, writes: int, seed: int, go_on: Callable[[], bool]) -> tuple[Tally, list[Builder], float]:
    """Have 16 builders write so often in all; what they saw, and the seconds that it took."""
    tally, started = Tally(), time.monotonic()
    builders = [Builder(number, seed, tally) for number in range(BUILDERS)]

    def more() -> bool:
        return tally.acknowledged + tally.given_up < writes and go_on()

    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        await asyncio.gather(*(builder.work(client, more) for builder in builders))
    return tally, builders, time.monotonic() - started
