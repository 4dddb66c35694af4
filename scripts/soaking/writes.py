"""Point 3: writes through a network that fails, and what the store has of them afterwards."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from msgspec import Struct
from redis.asyncio import Redis

from soaking import processes
from soaking.builders import Builder, Tally
from soaking.proxy import Fault, FaultProxy
from soaking.rows import Row
from soaking.verdict import faults_of

POINT = "writes"
BUILDERS = 16
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
    """Write 10,000 times, or as often as the time allows, and tell what was lost."""
    deadline = time.monotonic() + seconds
    result = asyncio.run(drive(WRITES, seed, RATE, lambda: time.monotonic() < deadline))
    yield from rows(result)


def rows(result: Result) -> Iterator[Row]:
    """Tell what was seen."""
    tally = result.tally
    wrong = [*tally.wrong, *result.faults]
    yield Row(point=POINT, what="writes acknowledged", figure=f"{tally.acknowledged:,} in {result.seconds:.0f} s")
    yield Row(point=POINT, what="faults between service and store", figure=f"{result.happened.total():,}")
    for fault, times in sorted(result.happened.items()):
        yield Row(point=POINT, what=f"- {fault}", figure=f"{times:,}")
    yield Row(point=POINT, what="answers 503 or none, repeated", figure=f"{tally.repeated:,}")
    yield Row(point=POINT, what="writes given up without an answer", figure=f"{tally.given_up:,}")
    yield Row(point=POINT, what="slowest answer", figure=f"{tally.slowest:.2f} s")
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
                tally, builders, seconds = await write(f"http://127.0.0.1:{service.port}", writes, seed, go_on)
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
