"""Others while a crowd of slow clients holds a service up: how long they wait, and when the slow ones are cut off."""

import asyncio
import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmark import processes

from shaman.config import Config
from shaman.distros import Releases
from shaman.models import Repo
from shaman.store import open_store
from shaman.store.embedded import Embedded
from soaking.asking import Answer, Asker
from soaking.crowd import Crowd, crowding, ended, refuses
from soaking.rows import Row

PROJECT = "large"
DUMP = f"/api/search?project={PROJECT}"
"""A question with an answer of several times what the kernel holds for a client that does not read."""

REPOS = 3000
EXTRA_BYTES = 3000

IDLE = 10_000
CREEPING, HALF, DEAF = 50, 20, 5
SPARE_FILES = 500
"""Files that are not connections: what is left of the limit of this process is for the idle."""

PAUSE = 0.02
"""Seconds between two requests of the one who is measured."""

CUT_OFF_LIMIT = 60.0
"""Seconds to wait for a client to be cut off."""

LOOK_EVERY = 1.0
"""Seconds between two looks at who is cut off."""


def fill(url: str) -> None:
    """Write the records that the deaf ask for."""
    asyncio.run(_fill(url))


async def _fill(url: str) -> None:
    store = open_store(url, Config(), Releases())
    await store.schema.check()
    repos = [_repo(number) for number in range(1, REPOS + 1)]
    for first in range(0, REPOS, 250):
        await store.restores.repos(PROJECT, repos[first : first + 250])
    await store.close()


def _repo(number: int) -> Repo:
    return Repo(
        id=number,
        project=PROJECT,
        ref="main",
        sha1=f"a{number}",
        distro="ubuntu",
        distro_version="jammy",
        archs=("x86_64",),
        modified=number,
        created=number,
        chacra_url=f"https://chacra.example.org/{number}",
        extra={"log": "x" * EXTRA_BYTES},
    )


def ask_as_others_do(url: str, seconds: float, seed: int) -> list[Answer]:
    """Return the answers to one who asks and writes as he should, on a new connection each time."""
    random, until, answers = Random(seed), time.monotonic() + seconds, list[Answer]()  # noqa: S311 - not for secrets
    asker = Asker(url, processes.WRITER, count(1), keeps=False)
    body = {"distro": "ubuntu", "distro_version": "jammy", "ref": "main", "arch": "x86_64", "url": "https://c.example"}
    while time.monotonic() < until:
        posted = json.dumps(body | {"sha1": f"a{random.randrange(1000)}"}).encode()
        answers += [asker.ask("POST", "/repos/ceph/", posted), asker.ask("GET", "/repos/ceph/main/")]
        time.sleep(PAUSE)
    return answers


def measure(seconds: float, seed: int) -> Iterator[Row]:
    """Measure others alone and beside the crowd, on each engine, and how long it takes to cut the slow ones off."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        for engine in ("hypercorn", "granian"):
            with TemporaryDirectory(prefix="shaman-soak-") as folder, Embedded(Path(folder)) as store:
                fill(store.url)
                with processes.shaman(store.url, Path(folder), "--workers", "2", "--server", engine) as service:
                    idle = min(IDLE, hard - SPARE_FILES)
                    yield from _rows(engine, service.url, seconds / 4, seed, idle)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _rows(engine: str, url: str, seconds: float, seed: int, idle: int) -> Iterator[Row]:
    with multiprocessing.get_context("fork").Pool(1) as pool:  # apart, so that the crowd does not take its time
        yield _told(f"{engine}: others alone", pool.apply(ask_as_others_do, (url, seconds, seed)))
        with crowding(url) as crowd:
            until = time.monotonic() + seconds
            asking = pool.apply_async(ask_as_others_do, (url, seconds, seed))
            crowd.come(creeping=CREEPING, half=HALF, deaf=DEAF, path=DUMP)
            while time.monotonic() < until:
                crowd.come(idle=idle - len(crowd.idle))
                crowd.drop_ended()
            what = f"{idle:,} idle, {CREEPING} byte by byte, {HALF} half bodies, {DEAF} deaf"
            yield _told(f"{engine}: others beside {what}", asking.get())
    yield from _cut_off(engine, url)


def _told(what: str, answers: list[Answer]) -> Row:
    """Return how long the answers took, and whether each was a success."""
    times = sorted((answer.end - answer.begin) * 1000 for answer in answers)
    failed = sum(answer.status not in {200, 201} for answer in answers)
    figure = (
        f"{len(times):,} requests, {times[len(times) // 2]:.0f} ms, 99 % within {times[len(times) * 99 // 100]:.0f}"
    )
    return Row(point="7", what=what, figure=f"{figure}, {failed} failed", promised="0 failed", kept=not failed)


def _cut_off(engine: str, url: str) -> Iterator[Row]:
    """Yield how long each kind of slow client is let be."""
    with crowding(url) as crowd:
        begin = time.monotonic()
        crowd.come(idle=1, creeping=1, half=1, deaf=1, path=DUMP)
        over: dict[str, Callable[[Crowd], bool]] = {
            "idle": lambda crowd: ended(crowd.idle[0]),
            "byte by byte": lambda crowd: ended(crowd.creeping[0]),
            "half a body": lambda crowd: ended(crowd.half[0]),
            "deaf": lambda crowd: refuses(crowd.deaf[0]),
        }
        took: dict[str, float] = {}
        while len(took) < len(over) and time.monotonic() < begin + CUT_OFF_LIMIT:
            took |= {kind: time.monotonic() - begin for kind in over.keys() - took.keys() if over[kind](crowd)}
            time.sleep(LOOK_EVERY)
    figure = ", ".join(f"{kind} {took[kind]:.0f} s" if kind in took else f"{kind} never" for kind in over)
    kept = len(took) == len(over)
    yield Row(
        point="7", what=f"{engine}: cut off after", figure=figure, promised=f"<= {CUT_OFF_LIMIT:.0f} s", kept=kept
    )
