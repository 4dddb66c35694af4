"""Fills a store by the way that `shaman import` takes, in two processes: the store is quicker than one of them."""

import asyncio
import multiprocessing
import signal
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from benchmark.records import PROJECT, platforms, pushes_of, repos_of
from shaman.config import Config
from shaman.distros import Releases
from shaman.models import Repo
from shaman.store import open_store
from shaman.transfer import BATCH
from shaman.web.api.objects import repo_object

PROCESSES = 2
OTHER_PUSHES = 10
"""Pushes of each other project, so that there are some to list."""


class Loaded(Struct):
    """What was written: repos, their bytes as documents of the store, and as the production dialect tells them."""

    repos: int = 0
    stored: int = 0
    told: int = 0

    def __add__(self, other: "Loaded") -> "Loaded":
        """Return both together."""
        return Loaded(self.repos + other.repos, self.stored + other.stored, self.told + other.told)


def load(url: str, held: int, size: int) -> Loaded:
    """Write the pushes that make a store of `held` repos one of `size`."""
    first, last = pushes_of(held), pushes_of(size)
    parts = [(url, PROJECT, range(first + index, last, PROCESSES)) for index in range(PROCESSES)]
    # What this script does when it is stopped is not for these processes, which must end at once when they are told to.
    ending = (signal.SIGTERM, signal.SIG_DFL)
    with multiprocessing.get_context("fork").Pool(PROCESSES, signal.signal, ending) as pool:
        return sum(pool.starmap(load_part, parts), Loaded())


def load_others(url: str) -> None:
    """Write some repos of every other project."""
    for name in platforms().keys() - {PROJECT}:
        load_part(url, name, range(OTHER_PUSHES))


def load_part(url: str, project: str, numbers: Iterable[int]) -> Loaded:
    """Write the repos of some pushes."""
    return asyncio.run(_load_part(url, project, numbers))


async def _load_part(url: str, project: str, numbers: Iterable[int]) -> Loaded:
    releases, encoder, loaded = Releases(), msgspec.json.Encoder(), Loaded()
    built_for = platforms()[project]
    store = open_store(url, Config(), releases)
    await store.schema.check()
    waiting: list[Repo] = []
    for number in numbers:
        for repo in repos_of(number, project, built_for, releases):
            waiting.append(repo)
            told = len(encoder.encode(repo_object(repo, releases)))
            loaded += Loaded(1, len(encoder.encode(repo)), told)
        if len(waiting) >= BATCH:
            await store.restores.repos(project, waiting)
            waiting = []
    if waiting:
        await store.restores.repos(project, waiting)
    await store.close()
    return loaded
