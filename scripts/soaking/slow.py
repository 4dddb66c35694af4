"""Others while a crowd of slow clients holds a service up: how long they wait, and when the slow ones are cut off."""

import asyncio

from shaman.config import Config
from shaman.distros import Releases
from shaman.models import Repo
from shaman.store import open_store

PROJECT = "large"
DUMP = f"/api/search?project={PROJECT}"
"""A question with an answer of several times what the kernel holds for a client that does not read."""

REPOS = 6000
EXTRA_BYTES = 3000


def fill(url: str) -> None:
    """Write the records that the deaf ask for."""
    asyncio.run(_fill(url))


async def _fill(url: str) -> None:
    store = open_store(url, Config(), Releases())
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
